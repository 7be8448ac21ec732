//! S1, the form: segments, base64url, sizes, depth.

use std::sync::LazyLock;

use countersign::verify::Verifier;
use serde_json::json;

use super::fixture::{
    OK, T, builder_at, built, code, code_of, encode, policy, segments, sign_text, valid, verifier, with_signature,
};
use super::http::{NONE, REQ, TOK, UNSENDABLE, outcome, outcome_without_token};

fn http(token: &str) -> &'static str {
    static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| verifier(policy()));
    outcome(&VERIFIER, token)
}

/// Refused by the library with `code`, over HTTP as a bad token.
fn assert_bad_token(token: &str, code: &str, case: &str) {
    assert_eq!(code_of(token), code, "{case}");
    assert_eq!(http(token), TOK, "{case}");
}

/// Refused by the library as malformed, over HTTP as a malformed header or not even sent.
fn assert_bad_header(token: &str, case: &str) {
    assert_eq!(code_of(token), "malformed", "{case}");
    assert!([REQ, UNSENDABLE].contains(&http(token)), "{case}: {}", http(token));
}

#[test]
fn the_valid_token_is_accepted_by_library_and_layer() {
    let token = valid().sign();
    assert_eq!((code_of(&token), http(&token)), (OK, OK));
}

/// CVE-2019-18848: a count of segments that nobody checked.
#[test]
fn s1_01_exactly_three_segments() {
    let token = valid().sign();
    for broken in ["a", "a.b", "a.b.c.d", "..", "...", &format!("{token}.")] {
        assert_bad_token(broken, "malformed", broken);
    }
    assert_bad_header("", "no text at all");
    assert_eq!(outcome_without_token(&verifier(policy())), NONE, "no header at all");
}

/// CVE-2023-51774, CVE-2026-34986, CVE-2026-29000, CVE-2024-33531, CVE-2024-33664 and CVE-2024-28176 all began with an
/// encrypted token that was let in where a signed one was meant. S11.09: nothing of it is inflated or derived.
#[test]
fn s1_02_s11_09_an_encrypted_token_is_refused_unread() {
    let [_, payload, signature] = segments(&valid().sign());
    for header in [
        r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#,
        r#"{"alg":"dir","enc":"A128GCM","zip":"DEF"}"#,
        r#"{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2s":"AAAA","p2c":2147483647}"#,
        "not even JSON",
    ] {
        let encrypted = format!("{}.{payload}.{signature}.{payload}.{signature}", encode(header));
        assert_bad_token(&encrypted, "jwe_unsupported", header);
        let four = format!("{}.{payload}.{signature}.{payload}", encode(header));
        assert_bad_token(&four, "malformed", header);
        let six = format!("{encrypted}.{payload}");
        assert_bad_token(&six, "malformed", header);
    }
}

/// A character of the b64token grammar is a bad token, any other a bad header; `=` belongs to that grammar at its end.
#[test]
fn s1_03_only_base64url_characters_and_dots() {
    let token = valid().sign();
    let dots: Vec<usize> = token.match_indices('.').map(|(at, _)| at).collect();
    let within = [3, dots[0] + 3, dots[1] + 3];
    let edges = [0, token.len()];
    for character in ["+", "/", "~"] {
        for at in within.into_iter().chain(edges) {
            let broken = format!("{}{character}{}", &token[..at], &token[at..]);
            assert_bad_token(&broken, "malformed", &format!("{character:?} at {at}"));
        }
    }
    for character in ["=", " ", "\t", "\r", "\n", "\0", "{", "\"", "%", ",", "é", "\u{2028}"] {
        for at in within {
            let broken = format!("{}{character}{}", &token[..at], &token[at..]);
            assert_bad_header(&broken, &format!("{character:?} at {at}"));
        }
    }
    for character in ["\t", "\r", "\n", "\0", "{", "\"", "%", ",", "é"] {
        for broken in [format!("{character}{token}"), format!("{token}{character}")] {
            assert_bad_header(&broken, &format!("{character:?} at an edge"));
        }
    }
}

#[test]
fn s1_04_padding_is_refused_on_each_segment() {
    let [header, payload, signature] = segments(&valid().sign());
    for padding in ["=", "=="] {
        assert_bad_token(&format!("{header}.{payload}.{signature}{padding}"), "malformed", "the signature");
        assert_bad_header(&format!("{header}{padding}.{payload}.{signature}"), "the header");
        assert_bad_header(&format!("{header}.{payload}{padding}.{signature}"), "the payload");
    }
}

/// The next letter of the alphabet differs in the lowest bit alone.
fn next_letter(segment: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (kept, last) = segment.split_at(segment.len() - 1);
    let at = ALPHABET.find(last).expect("of the alphabet");
    format!("{kept}{}", &ALPHABET[at ^ 1..=at ^ 1])
}

#[test]
fn s1_05_unused_trailing_bits_must_be_zero() {
    for spaces in 0..3 {
        let blanks = " ".repeat(spaces);
        let token =
            sign_text(format!("{}{blanks}", valid().header_json()), format!("{}{blanks}", valid().claims_json()));
        assert_eq!(code_of(&token), OK, "{spaces} blanks");
        let [header, payload, signature] = segments(&token);
        assert_bad_token(&format!("{header}.{payload}.{}", next_letter(&signature)), "malformed", "the signature");
        if header.len() % 4 != 0 {
            let respelled = format!("{}.{payload}.{signature}", next_letter(&header));
            assert_bad_token(&respelled, "malformed", "the header");
        }
        if payload.len() % 4 != 0 {
            let respelled = format!("{header}.{}.{signature}", next_letter(&payload));
            assert_bad_token(&respelled, "malformed", "the payload");
        }
    }
}

#[test]
fn s1_06_an_impossible_length_is_refused() {
    let parts = segments(&valid().sign());
    for index in 0..3 {
        let mut longer = parts.clone();
        while longer[index].len() % 4 != 1 {
            longer[index].push('A');
        }
        assert_bad_token(&longer.join("."), "malformed", &format!("segment {index}"));
        let mut shorter = parts.clone();
        shorter[index].pop();
        assert_ne!(code_of(&shorter.join(".")), OK, "segment {index}");
        assert_eq!(http(&shorter.join(".")), TOK, "segment {index}");
    }
}

/// CVE-2026-107720: an empty signature under an empty key.
#[test]
fn s1_07_no_segment_is_empty() {
    let [header, payload, signature] = segments(&valid().sign());
    for broken in [format!(".{payload}.{signature}"), format!("{header}..{signature}"), format!("{header}.{payload}.")]
    {
        assert_bad_token(&broken, "malformed", "an empty segment");
    }
}

/// CVE-2022-39227 and CVE-2016-9122: two serialisations, two readings of one token. GHSA-jc38-x7x8-2xc8: `alg` from the
/// unprotected header, which no code here reads.
#[test]
fn s1_18_json_serialisations_are_no_tokens() {
    let token = valid().sign();
    let [header, payload, signature] = segments(&token);
    let flattened = json!({
        "payload": payload, "protected": header, "header": { "alg": "none" }, "signature": signature,
    });
    let general = json!({
        "payload": payload, "signatures": [{ "protected": header, "signature": signature }],
    });
    let mixed = json!({ format!("{header}.{payload}.{signature}"): "", "payload": "e30" });
    for json in [flattened, general] {
        assert_bad_header(&json.to_string(), "JSON");
    }
    assert_bad_header(&mixed.to_string(), "compact within JSON");
    assert_eq!(code_of(&token), OK);
}

/// CVE-2025-61920: segments without a bound.
#[test]
fn s1_20_sizes_are_capped_before_anything_is_decoded() {
    let token = valid().sign();
    let capped_at = |bytes| built(builder_at(T).trust(policy()).max_token_bytes(bytes));
    assert_eq!(code(&capped_at(token.len()), &token), OK);
    assert_eq!(code(&capped_at(token.len() - 1), &token), "too_large");
    assert_eq!(code(&capped_at(8192), &"a".repeat(8193)), "too_large");
    assert_eq!(code(&capped_at(8192), &"a".repeat(8192)), "malformed");
    assert_bad_token(&"a".repeat(16 * 1024 + 1), "too_large", "the default");

    let header = valid().header_json();
    let padded =
        |bytes: usize| sign_text(format!("{header}{}", " ".repeat(bytes - header.len())), valid().claims_json());
    assert_eq!(code_of(&padded(4096)), OK);
    assert_bad_token(&padded(4097), "too_large", "a header beyond 4 KiB");
    assert_bad_token(&padded(5 * 1024), "too_large", "a header of 5 KiB");

    assert_bad_token(&with_signature(&token, &[0; 4628]), "malformed", "longer than any signature");
    assert_bad_token(&with_signature(&token, &[0; 4627]), "bad_signature", "as long as the longest");
}

#[test]
fn s1_20_the_cap_itself_is_bounded() {
    for (bytes, is_fine) in [(0, false), (1, true), (65536, true), (65537, false)] {
        assert_eq!(builder_at(T).trust(policy()).max_token_bytes(bytes).build().is_ok(), is_fine, "{bytes}");
    }
}

/// CVE-2025-53864: depth in claims that ended the stack.
#[test]
fn s1_21_nesting_is_bounded_on_a_small_stack() {
    let nested = |depth: usize, open: &str, close: &str, inner: &str| {
        format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
    };
    let in_header = |value: &str| {
        let header = valid().header_json();
        sign_text(format!("{},\"x\":{value}}}", &header[..header.len() - 1]), valid().claims_json())
    };
    let in_claims = |value: &str| {
        let claims = valid().claims_json();
        sign_text(valid().header_json(), format!("{},\"x\":{value}}}", &claims[..claims.len() - 1]))
    };
    let verifier = built(builder_at(T).trust(policy()).max_token_bytes(64 * 1024));
    for (open, close, inner) in [("[", "]", ""), ("{\"a\":", "}", "1")] {
        // The object itself is the first of 8 and of 32.
        let deep = [
            in_header(&nested(7, open, close, inner)),
            in_claims(&nested(31, open, close, inner)),
            in_header(&nested(8, open, close, inner)),
            in_claims(&nested(32, open, close, inner)),
            in_header(&nested(200, open, close, inner)),
            in_claims(&nested(200, open, close, inner)),
            in_claims(&open.repeat(40_000 / open.len())),
            in_claims(&open.repeat(100_000)),
        ];
        let verifier = verifier.clone();
        let small = std::thread::Builder::new().stack_size(256 * 1024);
        let codes = small.spawn(move || deep.map(|token| code(&verifier, &token))).expect("a thread");
        let codes = codes.join().expect("no overflow");
        assert_eq!(codes, [OK, OK, "malformed", "malformed", "malformed", "malformed", "malformed", "too_large"]);
    }
}

#[test]
fn s1_26_nothing_is_trimmed() {
    let token = valid().sign();
    for broken in [format!(" {token}"), format!("{token}\n"), format!("{token} "), format!("\t{token}")] {
        assert_eq!(code_of(&broken), "malformed", "{broken:?}");
    }
    assert_eq!(code_of(&token), OK);
}
