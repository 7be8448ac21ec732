//! Secret hashes: strength, upgrades, and what none of them shows.

use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, Version};
use countersign_core::secret::Secret;

use super::argon2id::{SALT_BYTES, is_hash_of};
use super::generate::GENERATED_PREFIX;
use super::*;

#[test]
fn s8_01_new_hashes_meet_the_floors_and_weaker_ones_are_refused() {
    let (secret, stored) = SecretHash::generate().expect("randomness");
    let text = stored.to_string();
    let hash = PasswordHash::new(&text).expect("a PHC string");
    let params = Params::try_from(&hash).expect("parameters");
    assert!(params.m_cost() >= 19_456 && params.t_cost() >= 2 && params.p_cost() == 1);
    assert_eq!(hash.salt.expect("a salt").len(), 16);
    assert!(is_hash_of(&text, &secret));
    assert!(!is_hash_of(&text, &Secret::from("another secret of some length")));

    for weak in ["m=4096,t=2", "m=19456,t=1", "m=7168,t=4", "m=524288,t=2", "m=19456,t=17"] {
        let error = SecretHash::parse(&text.replace("m=19456,t=2", weak)).expect_err(weak);
        assert_eq!(error.faults()[0].field, "secret", "{weak}");
    }
    for fine in ["m=47104,t=1", "m=12288,t=3", "m=65536,t=3"] {
        assert!(SecretHash::parse(&text.replace("m=19456,t=2", fine)).is_ok(), "{fine}");
    }
    for other in ["argon2i", "argon2d", "pbkdf2"] {
        assert!(SecretHash::parse(&text.replace("argon2id", other)).is_err(), "{other}");
    }
    for other in ["", "plain", "$argon2id$v=19$m=19456,t=2,p=1", "$hmac-sha256$AAAA"] {
        assert!(SecretHash::parse(other).is_err(), "{other}");
    }
}

#[test]
fn s8_02_generated_secrets_have_256_bits_and_a_prefix_and_are_keyed_by_the_pepper() {
    let pepper = Secret::new(vec![7; 32]);
    let (secret, stored) = SecretHash::generate_keyed(&pepper).expect("randomness");
    let random = secret.expose().strip_prefix(KEYED_PREFIX).expect("the prefix");
    assert_eq!(base64_simd::URL_SAFE_NO_PAD.decode_to_vec(random).expect("base64url").len(), 32);
    let plain = countersign_core::integration::sha256(secret.expose());
    assert_ne!(stored.keyed().expect("keyed"), &plain, "no plain SHA-256");
    assert_eq!(SecretHash::parse(&stored.to_string()), Ok(stored));
    assert!(SecretHash::generate_keyed(&Secret::new(vec![7; 31])).is_err());
}

#[test]
fn s8_03_a_bcrypt_hash_is_accepted_and_a_secret_it_would_truncate_is_refused() {
    // A vector of jBCrypt.
    let stored = "$2a$10$fVH8e28OQRj9tqiDXs1e1uxpsjN0c7II7YPKXua2NAKYvM6iQk7dq";
    assert!(SecretHash::parse(stored).is_ok());
    let right = check_slowly(stored, None, &Secret::from("abcdefghijklmnopqrstuvwxyz"));
    let upgraded = right.upgraded.expect("Argon2id in its place").to_string();
    assert!(right.is_right && upgraded.starts_with("$argon2id$"));
    assert!(check_slowly(&upgraded, Some(&bcrypt_dummy(10)), &Secret::from("abcdefghijklmnopqrstuvwxyz")).is_right);
    for wrong in ["abcdefghijklmnopqrstuvwxy", "", "abcdefghijklmnopqrstuvwxyz\0"] {
        assert!(!check_slowly(stored, None, &Secret::from(wrong)).is_right, "{wrong:?}");
    }
    let long = "a".repeat(72);
    let stored = bcrypt::hash(&long, 10).expect("hashed");
    assert!(check_slowly(&stored, None, &Secret::from(long.as_str())).is_right);
    for cut in ["b", "c"] {
        assert!(!check_slowly(&stored, None, &Secret::from(format!("{long}{cut}"))).is_right, "past 72 bytes");
    }
    assert!(!check_slowly(&bcrypt_dummy(10), None, &Secret::from("")).is_right);
    for bad in [
        stored.replace("$10$", "$09$"),
        stored.replace("$10$", "$15$"),
        stored.replace("$2b$", "$2x$"),
        stored[1..].into(),
    ] {
        assert!(SecretHash::parse(&bad).is_err(), "{bad}");
    }
}

#[test]
fn s8_01_only_a_cheaper_hash_is_upgraded_when_its_secret_is_used() {
    let secret = Secret::from("quaint-heron-lifts-49");
    let params = Params::new(7_168, 5, 1, None).expect("parameters");
    let cheaper: PasswordHash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(secret.expose().as_bytes(), &[7; SALT_BYTES])
        .expect("hashed");
    let checked = check_slowly(&cheaper.to_string(), None, &secret);
    assert!(checked.upgraded.is_some_and(|upgraded| upgraded.to_string().contains("m=19456,t=2,p=1")));
    assert!(check_slowly(&cheaper.to_string(), None, &Secret::from("another")).upgraded.is_none());
    let (secret, stored) = SecretHash::generate().expect("a secret");
    assert!(check_slowly(&stored.to_string(), None, &secret).upgraded.is_none());
}

#[test]
fn s8_04_the_dummy_is_a_hash_of_full_cost_that_no_secret_matches() {
    assert!(SecretHash::parse(DUMMY).is_ok());
    assert!(!is_hash_of(DUMMY, &Secret::from("")));
}

#[test]
fn s8_13_demo_secrets_are_refused() {
    for demo in ["secret", "", "changeme-changeme", "PasswordPassword1", "aaaaaaaaaaaaaaaaaaaaaaa"] {
        assert!(SecretHash::new(&Secret::from(demo)).is_err(), "{demo}");
    }
    assert!(SecretHash::new(&Secret::from("quaint-heron-lifts-49")).is_ok());
}

#[test]
fn no_form_of_a_hash_shows_the_secret() {
    let (secret, stored) = SecretHash::generate().expect("randomness");
    assert_eq!(format!("{stored:?}"), "SecretHash([hidden])");
    assert!(!stored.to_string().contains(secret.expose().trim_start_matches(GENERATED_PREFIX)));
}
