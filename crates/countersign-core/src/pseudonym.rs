//! Pseudonyms of subjects, so that logs distinguish callers without naming them.

use std::fmt;

use aws_lc_rs::hmac;

use crate::error::ConfigError;
use crate::secret::Secret;

/// The shortest key, in bytes: as long as the hash.
const MIN_KEY_BYTES: usize = 32;

/// The length of a pseudonym in bytes: enough to distinguish callers, too short to identify them elsewhere.
const SHOWN_BYTES: usize = 8;

/// Generates a pseudonym per issuer and subject: the first 64 bits of an HMAC-SHA-256.
///
/// The key belongs to the deployment.
///
/// Without the key it is not possible to find a subject by trying candidates, or to correlate the logs of two deployments.
/// Keep the key as long as logs must be correlated, and delete it to make them anonymous.
///
/// ```
/// use countersign_core::pseudonym::Pseudonyms;
/// use countersign_core::secret::Secret;
///
/// let pseudonyms = Pseudonyms::new(&Secret::new(vec![7; 32]))?;
/// let ann = pseudonyms.pseudonym("https://id.example.com", "ann");
/// assert_eq!(ann.len(), 16);
/// assert_ne!(ann, pseudonyms.pseudonym("https://other.example.com", "ann"));
/// assert_ne!(ann, Pseudonyms::new(&Secret::new(vec![8; 32]))?.pseudonym("https://id.example.com", "ann"));
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Pseudonyms(hmac::Key);

impl Pseudonyms {
    /// Uses `key`: 32 random bytes, the same for every instance of a deployment.
    ///
    /// # Errors
    /// `ConfigError` on field `pseudonym_key` if it is shorter than 32 bytes.
    pub fn new(key: &Secret<Vec<u8>>) -> Result<Self, ConfigError> {
        if key.expose().len() < MIN_KEY_BYTES {
            return Err(ConfigError::new("pseudonym_key", "shorter than 32 bytes; use 32 random bytes"));
        }
        Ok(Pseudonyms(hmac::Key::new(hmac::HMAC_SHA256, key.expose())))
    }

    /// The pseudonym of `issuer`'s `subject`: 16 hexadecimal digits.
    #[must_use]
    pub fn pseudonym(&self, issuer: &str, subject: &str) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        // The length distinguishes ("ab", "c") from ("a", "bc").
        context.update(&(issuer.len() as u64).to_be_bytes());
        context.update(issuer.as_bytes());
        context.update(subject.as_bytes());
        let tag = context.sign();
        let digits = tag.as_ref().iter().take(SHOWN_BYTES).flat_map(|byte| [byte >> 4, byte & 0xf]);
        digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonyms([hidden])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s10_06_a_pseudonym_is_64_bits_of_a_keyed_hash_of_issuer_and_subject() {
        let key = |byte: u8| Pseudonyms::new(&Secret::new(vec![byte; 32])).expect("long enough");
        // HMAC-SHA-256 over the length, the issuer and the subject, computed with Python's hmac.
        assert_eq!(key(7).pseudonym("https://id.example.com", "ann"), "d3fb7187715f1ecd");
        assert_ne!(key(7).pseudonym("ab", "c"), key(7).pseudonym("a", "bc"));
        assert_eq!(format!("{:?}", key(7)), "Pseudonyms([hidden])");
        assert!(Pseudonyms::new(&Secret::new(vec![7; 31])).is_err());
    }
}
