//! Any bytes as a JWK, a JWK Set or a PEM key: never a panic, and no key that should not be used.

#![no_main]

use countersign_core::key::{Algorithm, KeySet, MAX_KEYS, VerifyingKey};
use libfuzzer_sys::fuzz_target;

fn assert_sound(key: &VerifyingKey) {
    assert!(!key.algorithm().is_symmetric(), "a shared secret in public");
    assert_eq!(key.thumbprint().len(), 43);
    let _ = format!("{key:?}");
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(set) = KeySet::from_jwks(bytes) {
        assert!(!set.is_empty() && set.len() <= MAX_KEYS);
        set.keys().for_each(assert_sound);
        assert!(set.has_same_keys(&set));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(key) = VerifyingKey::from_jwk(text) {
        assert_sound(&key);
    }
    for algorithm in [Algorithm::ES256, Algorithm::RS256, Algorithm::Ed25519] {
        if let Ok(key) = VerifyingKey::from_public_pem(text, algorithm, None) {
            assert_sound(&key);
        }
        let _ = VerifyingKey::from_public_der(bytes, algorithm, None);
    }
});
