//! Any bytes as the header of a token: never a panic, and what is read is what a plain JSON reader reads.

#![no_main]

use base64_simd::URL_SAFE_NO_PAD;
use countersign_core::token::Unverified;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|header: &[u8]| {
    let token = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode_to_string(header));
    let Ok(unverified) = Unverified::parse(&token) else { return };
    let json: serde_json::Value = serde_json::from_slice(header).expect("accepted, so that it is JSON");
    let members = json.as_object().expect("accepted, so that it is an object");
    assert!(!members.contains_key("crit"), "crit was overlooked");
    assert_eq!(unverified.key_id(), members.get("kid").and_then(|kid| kid.as_str()));
    let name = members["alg"].as_str().expect("a name");
    assert_eq!(unverified.algorithm().map(|algorithm| algorithm.name()), unverified.algorithm().map(|_| name));
    let _ = format!("{unverified:?}");
});
