//! The key under which stores hold keys.

use std::fmt;
use std::fmt::Write as _;
use std::path::Path;

use aws_lc_rs::{constant_time, hmac, rand};
use countersign::integration::read_text;
use countersign_core::error::ConfigError;
use countersign_core::secret::Secret;

/// The shortest pepper, in bytes: as long as the hash.
const MIN_BYTES: usize = 32;

/// The longest file of a pepper.
const MAX_FILE_BYTES: usize = 4096;

/// The secret under which a store holds the HMAC-SHA-256 of each key. Who reads the store without it can neither use a key nor
/// check a guess.
///
/// Every service that takes the keys needs the same one. Keep it apart from the store. With another pepper, no key is accepted.
///
/// ```
/// use countersign_apikey::Pepper;
/// use countersign_core::secret::Secret;
///
/// let pepper = Pepper::new(&Secret::new(vec![7; 32]))?;
/// assert_eq!(format!("{pepper:?}"), "Pepper([hidden])");
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Pepper(hmac::Key);

impl Pepper {
    /// Uses these random bytes.
    ///
    /// # Errors
    /// `ConfigError` on field `pepper` if they are fewer than 32.
    pub fn new(bytes: &Secret<Vec<u8>>) -> Result<Self, ConfigError> {
        match bytes.expose().len() {
            MIN_BYTES.. => Ok(Pepper(hmac::Key::new(hmac::HMAC_SHA256, bytes.expose()))),
            _ => Err(ConfigError::new("pepper", "shorter than 32 bytes; use 32 random bytes")),
        }
    }

    /// A new pepper, for keys that end with this process, such as those of a test.
    ///
    /// # Errors
    /// As [`generate`](Self::generate).
    pub fn random() -> Result<Self, ConfigError> {
        Pepper::new(&Secret::new(Pepper::generate()?.expose().as_bytes().to_vec()))
    }

    /// Reads a file with one line of text, such as `countersign apikey pepper` prints it. It counts as it is: its characters are
    /// the bytes.
    ///
    /// # Errors
    /// `ConfigError` on field `pepper` if it cannot be read, or has fewer than 32 bytes.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let fault =
            |why: &dyn fmt::Display| ConfigError::new("pepper", format!("{} is not usable: {why}", path.display()));
        let text = Secret::new(read_text(path, MAX_FILE_BYTES).map_err(|error| fault(&error))?);
        Pepper::new(&Secret::new(text.expose().trim().as_bytes().to_vec()))
    }

    /// A new pepper, as text for a file: 64 hexadecimal digits.
    ///
    /// # Errors
    /// `ConfigError` on field `pepper` if the system gives no random bytes.
    pub fn generate() -> Result<Secret<String>, ConfigError> {
        let mut bytes = [0; MIN_BYTES];
        rand::fill(&mut bytes)
            .map_err(|_| ConfigError::new("pepper", "the system gives no random bytes; try again"))?;
        let text = Secret::new(hex(&bytes));
        zeroize::Zeroize::zeroize(&mut bytes);
        Ok(text)
    }

    /// The form of a key in a store.
    pub(crate) fn mac(&self, key: &str) -> String {
        hex(hmac::sign(&self.0, key.as_bytes()).as_ref())
    }

    /// Compares a key with what a store holds, in constant time.
    #[inline]
    pub(crate) fn matches(&self, key: &str, mac: &[u8; 32]) -> bool {
        constant_time::verify_slices_are_equal(hmac::sign(&self.0, key.as_bytes()).as_ref(), mac).is_ok()
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper([hidden])")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads 64 hexadecimal digits.
pub(crate) fn read_mac(text: &str) -> Option<[u8; 32]> {
    let mut mac = [0; 32];
    if text.len() != 2 * mac.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (place, digits) in mac.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *place = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s13_09_s8_02_a_store_holds_an_hmac_under_the_pepper() {
        let pepper = Pepper::new(&Secret::new(b"0123456789abcdef0123456789abcdef".to_vec())).expect("long enough");
        let mac = pepper.mac("shop_key");
        // printf shop_key | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
        assert_eq!(mac, "fc67d75e8e3bd89914b2ece444baae459a7b0b820619b562170e7cbe1e745b84");
        let read = read_mac(&mac).expect("a MAC");
        assert!(pepper.matches("shop_key", &read) && !pepper.matches("shop_kez", &read));
        let other = Pepper::new(&Secret::new(vec![1; 32])).expect("long enough");
        assert!(!other.matches("shop_key", &read));
        assert!(Pepper::new(&Secret::new(vec![1; 31])).is_err());
    }

    #[test]
    fn only_64_digits_are_a_mac() {
        for wrong in ["", "ab", &"g".repeat(64), &"a".repeat(63), &"é".repeat(32)] {
            assert_eq!(read_mac(wrong), None, "{wrong}");
        }
    }
}
