//! Generated secrets, the key of a pepper, and secrets that are too well known.

use aws_lc_rs::hmac;
use countersign_core::error::ConfigError;
use countersign_core::secret::Secret;

/// The random bytes of a generated secret.
const SECRET_BYTES: usize = 32;

/// The shortest chosen secret, in bytes.
const MIN_CHOSEN_BYTES: usize = 16;

/// The shortest pepper, in bytes: the length of the HMAC.
const MIN_PEPPER_BYTES: usize = 32;

/// The prefix of a generated secret with an Argon2id hash. Secret scanners recognize it in leaked text.
pub(super) const GENERATED_PREFIX: &str = "csgn_";

/// The prefix of a generated secret with a keyed hash.
pub(in crate::client) const KEYED_PREFIX: &str = "csgnk_";

/// Generates a secret of 256 random bits.
pub(super) fn random_secret(prefix: &str) -> Result<Secret<String>, ConfigError> {
    let mut random = zeroize::Zeroizing::new([0; SECRET_BYTES]);
    aws_lc_rs::rand::fill(&mut random[..])
        .map_err(|_| ConfigError::new("secret", "the system provides no randomness"))?;
    let encoded = Secret::new(base64_simd::URL_SAFE_NO_PAD.encode_to_string(&random[..]));
    Ok(Secret::new(format!("{prefix}{}", encoded.expose())))
}

/// The HMAC key of a pepper.
pub(crate) fn pepper_key(pepper: &Secret<Vec<u8>>) -> Result<hmac::Key, ConfigError> {
    if pepper.expose().len() < MIN_PEPPER_BYTES {
        return Err(ConfigError::new("pepper", "shorter than 32 bytes; use 32 random bytes"));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, pepper.expose()))
}

/// Refuses short secrets, secrets of tutorials and of test setups, and repetitions of one character.
pub(super) fn check_chosen(secret: &Secret<String>) -> Result<(), ConfigError> {
    const WORDS: [&str; 8] =
        ["changeme", "change-me", "change_me", "password", "demo-secret", "my-secret", "client-secret", "your-secret"];
    let lower = secret.expose().to_ascii_lowercase();
    let mut characters = secret.expose().chars();
    let first = characters.next();
    let is_known = WORDS.iter().any(|word| lower.starts_with(word)) || characters.all(|other| Some(other) == first);
    if secret.expose().len() < MIN_CHOSEN_BYTES || is_known {
        return Err(ConfigError::new("secret", "shorter than 16 bytes, or well known; generate one"));
    }
    Ok(())
}
