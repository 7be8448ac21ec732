//! Encryption of private keys at rest with AES-256-GCM.

use std::fmt;
use std::fs::File;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use countersign_core::error::ConfigError;
use countersign_core::secret::Secret;

use crate::file;

/// The length of a key, in bytes.
const KEY_BYTES: usize = 32;

/// The longest file with a key, in bytes.
const MAX_FILE_BYTES: usize = 1024;

/// The length of the nonce before the ciphertext, in bytes.
const NONCE_BYTES: usize = 12;

/// The prefix of sealed data.
const SEALED: &[u8] = b"sealed1:";

/// The key that seals an issuer's private keys. Store it apart from the state.
///
/// ```
/// use countersign_issuer::StoreKey;
///
/// let text = StoreKey::generate()?; // 256 random bits in base64, for a file of mode 0600 or a secret of the platform
/// let key = StoreKey::parse(&text)?;
/// assert_eq!(format!("{key:?}"), "StoreKey([hidden])");
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
pub struct StoreKey(RandomizedNonceKey);

impl StoreKey {
    /// Generates a key, as text.
    ///
    /// # Errors
    /// `ConfigError` if the system provides no randomness.
    pub fn generate() -> Result<Secret<String>, ConfigError> {
        let mut key = zeroize::Zeroizing::new([0; KEY_BYTES]);
        aws_lc_rs::rand::fill(key.as_mut())
            .map_err(|_| ConfigError::new("store_key", "the system provides no randomness"))?;
        Ok(Secret::new(base64_simd::STANDARD.encode_to_string(key.as_ref())))
    }

    /// Reads a key of 32 bytes in base64.
    ///
    /// # Errors
    /// `ConfigError` for any other text.
    pub fn parse(text: &Secret<String>) -> Result<Self, ConfigError> {
        let bad = || ConfigError::new("store_key", "not 32 bytes in base64; generate one");
        let key = base64_simd::STANDARD.decode_to_vec(text.expose().trim()).map_err(|_| bad())?;
        let key = zeroize::Zeroizing::new(key);
        if key.len() != KEY_BYTES {
            return Err(bad());
        }
        RandomizedNonceKey::new(&AES_256_GCM, &key).map(StoreKey).map_err(|_| bad())
    }

    /// Reads a key from a file that only its owner may access.
    ///
    /// # Errors
    /// `ConfigError` if the file cannot be read, is not a regular file of at most 1 KiB, is accessible to others, or does not hold a key.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let opened = file::open(path, "store_key")?;
        check_mode(&opened, "store_key")?;
        Self::parse(&file::read(opened, path, MAX_FILE_BYTES, "store_key")?)
    }

    /// Reads a key from an environment variable.
    ///
    /// # Errors
    /// `ConfigError` if the variable is unset or does not hold a key.
    pub fn from_env(name: &str) -> Result<Self, ConfigError> {
        Self::parse(&Secret::from_env(name)?)
    }

    /// Seals `text`, bound to `context`: it opens only with the same one.
    pub(crate) fn seal(&self, text: &[u8], context: &str) -> Option<Vec<u8>> {
        let mut sealed = text.to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(context), &mut sealed).ok()?;
        Some([SEALED, nonce.as_ref(), &sealed].concat())
    }

    pub(crate) fn open(&self, sealed: &[u8], context: &str) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.strip_prefix(SEALED)?.split_first_chunk::<NONCE_BYTES>()?;
        let mut text = sealed.to_vec();
        let length = self.0.open_in_place(Nonce::from(nonce), Aad::from(context), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }

    pub(crate) fn is_sealed(text: &[u8]) -> bool {
        text.starts_with(SEALED)
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey([hidden])")
    }
}

/// Refuses a file that others may read or write.
pub(super) fn check_mode(file: &File, field: &'static str) -> Result<(), ConfigError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let metadata = file.metadata().map_err(|_| ConfigError::new(field, "the mode of the file cannot be read"))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(ConfigError::new(field, "others may read or write the file; set its mode to 0600"));
        }
    }
    let _ = (file, field);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s8_28_sealed_text_opens_only_with_its_key_and_context() {
        let key = StoreKey::parse(&StoreKey::generate().expect("a key")).expect("a key");
        let other = StoreKey::parse(&StoreKey::generate().expect("a key")).expect("a key");
        let sealed = key.seal(b"private", "https://a.test").expect("sealed");
        assert!(StoreKey::is_sealed(&sealed) && !sealed.windows(7).any(|window| window == b"private"));
        assert_ne!(sealed, key.seal(b"private", "https://a.test").expect("sealed"), "a nonce is used once");
        assert_eq!(key.open(&sealed, "https://a.test").as_deref(), Some(&b"private"[..]));
        assert_eq!(key.open(&sealed, "https://b.test"), None);
        assert_eq!(other.open(&sealed, "https://a.test"), None);
        for at in 0..sealed.len() {
            let mut broken = sealed.clone();
            broken[at] ^= 1;
            assert_eq!(key.open(&broken, "https://a.test"), None, "byte {at}");
            assert_eq!(key.open(&sealed[..at], "https://a.test"), None, "cut at {at}");
        }
        assert!(StoreKey::parse(&Secret::from("c2hvcnQ=")).is_err());
    }
}
