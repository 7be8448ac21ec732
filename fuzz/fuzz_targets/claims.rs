//! Any bytes as the claims of a token: never a panic, what is read is what a plain JSON reader reads, and what that one
//! reads is refused only by a rule.

#![no_main]

use base64_simd::URL_SAFE_NO_PAD;
use countersign_core::error::VerifyErrorKind;
use countersign_core::token::Unverified;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// Whether it is deeper than 32, has a name twice, or may have a number of more than 64 characters.
fn breaks_a_rule(json: &Value, written: &[u8]) -> bool {
    let (members, depth) = members_and_depth(json);
    let (colons, longest_number) = colons_and_longest_number(written);
    depth > 32 || members != colons || longest_number > 64
}

fn members_and_depth(json: &Value) -> (usize, usize) {
    let inner: Vec<&Value> = match json {
        Value::Array(items) => items.iter().collect(),
        Value::Object(members) => members.values().collect(),
        _ => return (0, 0),
    };
    let own = json.as_object().map_or(0, serde_json::Map::len);
    let inner = inner.into_iter().map(members_and_depth);
    let (members, depth) = inner.fold((own, 0), |(sum, deepest), (members, depth)| (sum + members, deepest.max(depth)));
    (members, depth + 1)
}

/// Both as they stand outside of strings: a member has one colon.
fn colons_and_longest_number(json: &[u8]) -> (usize, usize) {
    let (mut colons, mut run, mut longest, mut in_string) = (0, 0, 0, false);
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' => drop(bytes.next()),
            b':' if !in_string => colons += 1,
            _ => {}
        }
        let is_number = !in_string && matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
        run = if is_number { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    (colons, longest)
}

/// `{"alg":"ES256"}`
const HEADER: &str = "eyJhbGciOiJFUzI1NiJ9";

fuzz_target!(|claims: &[u8]| {
    let token = format!("{HEADER}.{}.AAAA", URL_SAFE_NO_PAD.encode_to_string(claims));
    let json: serde_json::Result<Value> = serde_json::from_slice(claims);
    let unverified = match Unverified::parse(&token) {
        Ok(unverified) => unverified,
        Err(error) => {
            let is_malformed = error.kind() == VerifyErrorKind::Malformed;
            let is_wrong = json.map_or(true, |json| !json.is_object() || breaks_a_rule(&json, claims));
            assert!(!is_malformed || is_wrong, "JSON that no rule forbids");
            return;
        }
    };
    let json = json.expect("accepted, so that it is JSON");
    assert!(!breaks_a_rule(&json, claims), "accepted against a rule");
    let members = json.as_object().expect("accepted, so that it is an object");
    assert_eq!(unverified.issuer(), members.get("iss").and_then(|issuer| issuer.as_str()));
    // One of these that is `null` is absent.
    let claim = |name| members.get(name).filter(|claim| !claim.is_null());
    for name in ["sub", "jti", "client_id"] {
        assert!(claim(name).is_none_or(Value::is_string), "{name}");
    }
    assert!(claim("act").is_none_or(Value::is_object), "act");
    for name in ["exp", "nbf", "iat", "auth_time"] {
        let in_range = |number: f64| (0.0..253_402_300_800.0).contains(&number);
        assert!(members.get(name).is_none_or(|claim| claim.as_f64().is_some_and(in_range)), "{name}");
    }
});
