//! Any bytes as the claims of a token: never a panic, and what is read is what a plain JSON reader reads.

#![no_main]

use base64_simd::URL_SAFE_NO_PAD;
use countersign_core::token::Unverified;
use libfuzzer_sys::fuzz_target;

/// `{"alg":"ES256"}`
const HEADER: &str = "eyJhbGciOiJFUzI1NiJ9";

fuzz_target!(|claims: &[u8]| {
    let token = format!("{HEADER}.{}.AAAA", URL_SAFE_NO_PAD.encode_to_string(claims));
    let Ok(unverified) = Unverified::parse(&token) else { return };
    let json: serde_json::Value = serde_json::from_slice(claims).expect("accepted, so that it is JSON");
    let members = json.as_object().expect("accepted, so that it is an object");
    assert_eq!(unverified.issuer(), members.get("iss").and_then(|issuer| issuer.as_str()));
    for name in ["sub", "jti", "client_id"] {
        assert!(members.get(name).is_none_or(|claim| claim.is_string()), "{name}");
    }
    for name in ["exp", "nbf", "iat", "auth_time"] {
        let in_range = |number: f64| (0.0..253_402_300_800.0).contains(&number);
        assert!(members.get(name).is_none_or(|claim| claim.as_f64().is_some_and(in_range)), "{name}");
    }
});
