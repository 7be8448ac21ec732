//! S1, the JSON: header and claims as text, `crit`, nesting of tokens.

use serde_json::{Value, json};

use super::fixture::{OK, code_of, encode, segments, sign_text, valid};

fn with_header_text(header: impl AsRef<[u8]>) -> &'static str {
    code_of(&sign_text(header, valid().claims_json()))
}

fn with_payload_text(payload: impl AsRef<[u8]>) -> &'static str {
    code_of(&sign_text(valid().header_json(), payload))
}

/// The valid header or claims with `member` in front.
fn led_by(member: &str, object: &str) -> String {
    format!("{{{member},{}", &object[1..])
}

const HEADER: &str = r#"{"alg":"ES256","typ":"at+jwt","kid":"k1"}"#;

#[test]
fn s1_08_the_header_is_one_whole_json_object() {
    assert_eq!(with_header_text(HEADER), OK);
    let utf_16: Vec<u8> = HEADER.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let overlong = [b"{\"x\":\"\xc0\xaf\",", &HEADER.as_bytes()[1..]].concat();
    let not_utf8 = [b"{\"x\":\"\xff\",", &HEADER.as_bytes()[1..]].concat();
    let surrogate_bytes = [b"{\"x\":\"\xed\xa0\x80\",", &HEADER.as_bytes()[1..]].concat();
    for broken in [
        b"[]" as &[u8],
        b"null",
        b"1",
        b"\"x\"",
        b"",
        b" ",
        format!("{HEADER}{{}}").as_bytes(),
        format!("{HEADER} x").as_bytes(),
        format!("\u{feff}{HEADER}").as_bytes(),
        format!("[{HEADER}]").as_bytes(),
        &not_utf8,
        &overlong,
        &surrogate_bytes,
        &utf_16,
        led_by(r#""x":"\ud800""#, HEADER).as_bytes(),
        led_by(r#""x":NaN"#, HEADER).as_bytes(),
        led_by(r#""x":Infinity"#, HEADER).as_bytes(),
        led_by(r#""x":01"#, HEADER).as_bytes(),
        led_by(r#"'x':1"#, HEADER).as_bytes(),
        led_by(r#"x:1"#, HEADER).as_bytes(),
        led_by("\"x\":\"\t\"", HEADER).as_bytes(),
        &HEADER.as_bytes()[..HEADER.len() - 1],
        format!("{},}}", &HEADER[..HEADER.len() - 1]).as_bytes(),
        format!("/* x */{HEADER}").as_bytes(),
        format!("{HEADER}// x").as_bytes(),
        format!("{HEADER}\0").as_bytes(),
    ] {
        let expected = "malformed";
        let text = String::from_utf8_lossy(broken);
        assert_eq!(with_header_text(broken), expected, "{text}");
    }
}

#[test]
fn s1_09_header_members_stand_once() {
    for doubled in [
        r#"{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"ES256","alg":"none","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"ES256","\u0061lg":"none","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"ES256","typ":"at+jwt","kid":"k1","kid":"k1"}"#,
        r#"{"alg":"ES256","typ":"at+jwt","kid":"k1","x":1,"x":1}"#,
        r#"{"alg":"ES256","typ":"at+jwt","kid":"k1","x":{"y":1,"y":2}}"#,
    ] {
        assert_eq!(with_header_text(doubled), "malformed", "{doubled}");
    }
    assert_eq!(with_header_text(led_by(r#""x":{"y":1},"y":{"y":2}"#, HEADER)), OK);
}

#[test]
fn s1_10_claim_names_stand_once_at_every_depth() {
    let claims = valid().claims_json();
    for member in [
        r#""sub":"admin""#,
        r#""aud":"https://other.test""#,
        r#""exp":1700009999"#,
        r#""\u0073ub":"admin""#,
        r#""cnf":{"jkt":"a","jkt":"b"}"#,
        r#""x":[[{"y":1,"y":1}]]"#,
        r#""x":1,"x":1"#,
        r#""act":{"sub":"a","sub":"b"}"#,
    ] {
        assert_eq!(with_payload_text(led_by(member, &claims)), "malformed", "{member}");
    }
    assert_eq!(with_payload_text(led_by(r#""x":[[{"y":1},{"y":1}]]"#, &claims)), OK);
    assert_eq!(with_payload_text(led_by(r#""act":{"sub":"a"}"#, &claims)), OK);
}

/// CVE-2026-32597, CVE-2025-59420, GHSA-hm7r-c7qw-ghp6: an extension that nobody understood, accepted.
#[test]
fn s1_11_s1_12_s1_13_crit_is_fatal_whatever_it_names() {
    for crit in [
        json!(["urn:x"]),
        json!(["exp"]),
        json!(["b64"]),
        json!(["http://openbanking.org.uk/iat"]),
        json!([]),
        json!("b64"),
        json!(null),
        json!([1]),
        json!(["x", "x"]),
        json!({}),
        json!(["alg"]),
        json!(["kid"]),
        json!(["foo"]),
    ] {
        let mut token = valid().header("crit", crit.clone());
        for named in ["urn:x", "exp", "http://openbanking.org.uk/iat"] {
            token = token.header(named, 1);
        }
        assert_eq!(code_of(&token.header("b64", true).sign()), "critical_header", "{crit}");
    }
    let repaired = valid().header("urn:x", 1).header("exp", 1).header("b64", true);
    assert_eq!(code_of(&repaired.sign()), OK);
}

#[test]
fn s1_14_payloads_are_always_encoded() {
    for b64 in [json!(false), json!("false"), json!(0), json!(null), json!("true"), json!([true])] {
        assert_eq!(code_of(&valid().header("b64", b64.clone()).sign()), "critical_header", "{b64}");
        let critical = valid().header("b64", b64.clone()).header("crit", json!(["b64"]));
        assert_eq!(code_of(&critical.sign()), "critical_header", "{b64}");
    }
    let header = encode(valid().header("b64", false).header_json());
    let [_, _, signature] = segments(&valid().sign());
    assert_eq!(code_of(&format!("{header}.{{\"sub\":\"u1\"}}.{signature}")), "critical_header", "a raw payload");
    assert_eq!(code_of(&format!("{header}.{}.{signature}", valid().claims_json())), "jwe_unsupported", "with dots");
    assert_eq!(code_of(&valid().header("b64", true).sign()), OK);
}

#[test]
fn s1_15_unknown_header_members_are_ignored() {
    let token = valid().header("foo", json!({ "a": 1 })).header("x5t", "abc").header("nonce", json!([1, null]));
    assert_eq!(code_of(&token.sign()), OK);
}

#[test]
fn s1_16_member_names_are_case_sensitive() {
    for header in [r#"{"ALG":"ES256","typ":"at+jwt","kid":"k1"}"#, r#"{"Alg":"ES256","typ":"at+jwt","kid":"k1"}"#] {
        assert_eq!(with_header_text(header), "malformed", "{header}");
    }
    assert_eq!(with_header_text(led_by(r#""ALG":"none""#, HEADER)), OK, "unknown beside the right one");
}

#[test]
fn s1_17_the_received_bytes_are_what_is_verified() {
    let odd = "\n{ \"kid\" : \"k1\",\r\n\t\"typ\":\"at\\u002bjwt\" , \"alg\":\"ES256\" }  ";
    let claims = format!("  {}\n", valid().claims_json().replace(':', " : ").replace("https : //", "https://"));
    let token = sign_text(odd, &claims);
    assert_eq!(code_of(&token), OK);
    let [_, payload, signature] = segments(&token);
    let reserialised = serde_json::from_str::<Value>(odd).expect("JSON").to_string();
    assert_eq!(code_of(&format!("{}.{payload}.{signature}", encode(reserialised))), "bad_signature");
}

/// CVE-2026-29000 (the signed wrapper of an unsigned token).
#[test]
fn s1_19_tokens_within_tokens_are_not_taken() {
    for cty in ["JWT", "jwt", "Jwt", "application/jwt"] {
        let nested = valid().header("cty", cty);
        assert_eq!(code_of(&nested.sign()), "nested_unsupported", "{cty} over an object");
        assert_eq!(code_of(&sign_text(nested.header_json(), valid().sign())), "nested_unsupported", "{cty}");
    }
    assert_eq!(code_of(&valid().header("cty", "json").sign()), OK);
    assert_eq!(with_payload_text(valid().sign()), "malformed", "without cty it is no object");
}

#[test]
fn s1_22_numbers_beyond_reason_are_malformed() {
    let claims = valid().claims_json();
    let exp = |number: &str| claims.replace("1700000290", number);
    for number in ["1e400", &"1".repeat(65), &format!("0.{}", "0".repeat(80)), &format!("1e{}", "0".repeat(70))] {
        assert_eq!(with_payload_text(exp(number)), "malformed", "exp {number}");
        assert_eq!(with_payload_text(led_by(&format!("\"x\":{number}"), &claims)), "malformed", "{number}");
        assert_eq!(with_payload_text(led_by(&format!("\"x\":[[{number}]]"), &claims)), "malformed", "{number}");
    }
    assert_eq!(with_payload_text(led_by(&format!("\"x\":{}", "1".repeat(64)), &claims)), OK);
    assert_eq!(with_payload_text(led_by(&format!("\"x\":\"{}\"", "1".repeat(200)), &claims)), OK, "in a string");
    assert_eq!(with_payload_text(exp("1700000290.25")), OK);

    for member in ["x", "crit", "b64"] {
        let header = led_by(&format!("\"{member}\":{}", "1".repeat(65)), HEADER);
        assert_eq!(with_header_text(header), "malformed", "{member}");
    }
    assert_eq!(with_header_text(led_by(&format!("\"x\":{}", "1".repeat(64)), HEADER)), OK);
}

/// CVE-2026-107723: a list has no claims to check, so that every check passed.
#[test]
fn s1_23_the_payload_is_one_json_object() {
    let claims = valid().claims_json();
    for payload in
        ["[]", "\"x\"", "1", "null", "true", " ", "text", &format!("[{claims}]"), &format!("{claims}{claims}")]
    {
        assert_eq!(with_payload_text(payload), "malformed", "{payload}");
    }
    assert_eq!(with_payload_text([claims.as_bytes(), b"\xff"].concat()), "malformed");
    assert_eq!(with_payload_text(format!("\u{feff}{claims}")), "malformed");
    assert_eq!(with_payload_text(&claims), OK);
}
