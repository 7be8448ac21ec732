//! The hash of a client secret.

use std::fmt;

use aws_lc_rs::hmac;
use countersign_core::error::ConfigError;
use countersign_core::secret::Secret;

use super::generate::{GENERATED_PREFIX, KEYED_PREFIX, check_chosen, pepper_key, random_secret};
use super::{argon2id, bcrypt_hash};

/// The prefix of a stored keyed hash.
const KEYED_STORED: &str = "$hmac-sha256$";

/// The stored hash of a client secret, from which the secret cannot be recovered.
///
/// [`Display`](fmt::Display) writes the stored form, for a configuration; `Debug` hides it.
///
/// ```
/// use countersign_issuer::SecretHash;
///
/// let (shown_once, stored) = SecretHash::generate()?;
/// assert!(shown_once.expose().starts_with("csgn_"));
/// assert!(stored.to_string().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
/// assert!(SecretHash::parse(&stored.to_string()).is_ok());
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct SecretHash(Stored);

#[derive(Clone, PartialEq, Eq)]
enum Stored {
    /// A checked PHC string.
    Argon2id(Box<str>),
    /// A hash of an older system; upgraded when its secret is next used.
    Bcrypt(Box<str>),
    Keyed([u8; 32]),
}

impl SecretHash {
    /// The Argon2id hash of a chosen secret.
    ///
    /// # Errors
    /// `ConfigError` if the secret is shorter than 16 bytes or well known.
    pub fn new(secret: &Secret<String>) -> Result<Self, ConfigError> {
        check_chosen(secret)?;
        Self::hash(secret)
    }

    /// Generates a secret of 256 random bits, to be shown once, and its Argon2id hash.
    ///
    /// # Errors
    /// `ConfigError` if the system provides no randomness.
    pub fn generate() -> Result<(Secret<String>, Self), ConfigError> {
        let secret = random_secret(GENERATED_PREFIX)?;
        let stored = Self::hash(&secret)?;
        Ok((secret, stored))
    }

    /// Generates a secret like [`generate`](Self::generate), and its HMAC-SHA-256 under `pepper`. A check is cheap, because
    /// 256 random bits need no slow hash. Give the same pepper to the builder of the issuer.
    ///
    /// # Errors
    /// `ConfigError` if the pepper is shorter than 32 bytes.
    pub fn generate_keyed(pepper: &Secret<Vec<u8>>) -> Result<(Secret<String>, Self), ConfigError> {
        let key = pepper_key(pepper)?;
        let secret = random_secret(KEYED_PREFIX)?;
        let mut digest = [0; 32];
        digest.copy_from_slice(hmac::sign(&key, secret.expose().as_bytes()).as_ref());
        Ok((secret, SecretHash(Stored::Keyed(digest))))
    }

    /// Reads the stored form.
    ///
    /// It may also be a bcrypt hash of an older system (`$2a$`, `$2b$` or `$2y$`, cost 10 to 14). At the first use of its
    /// secret the issuer stores an Argon2id hash in its place. A secret over 72 bytes is refused then, because bcrypt
    /// ignores the rest.
    ///
    /// # Errors
    /// `ConfigError` for a hash of another kind, a weak Argon2id hash, or a cost out of bounds.
    pub fn parse(stored: &str) -> Result<Self, ConfigError> {
        if let Some(encoded) = stored.strip_prefix(KEYED_STORED) {
            let bad = || ConfigError::new("secret", "not the 32 bytes of a keyed hash in base64url");
            let digest = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(encoded).map_err(|_| bad())?;
            return Ok(SecretHash(Stored::Keyed(digest.try_into().map_err(|_| bad())?)));
        }
        if let Some(cost) = bcrypt_hash::cost(stored) {
            if !bcrypt_hash::BCRYPT_COSTS.contains(&cost) {
                return Err(ConfigError::new("secret", "a bcrypt hash of a cost below 10 or above 14; hash it again"));
            }
            return Ok(SecretHash(Stored::Bcrypt(stored.into())));
        }
        argon2id::check_form(stored)?;
        Ok(SecretHash(Stored::Argon2id(stored.into())))
    }

    pub(super) fn hash(secret: &Secret<String>) -> Result<Self, ConfigError> {
        Ok(SecretHash(Stored::Argon2id(argon2id::hash(secret)?)))
    }

    /// The stored text of an Argon2id or bcrypt hash.
    pub(in crate::client) fn slow(&self) -> Option<&str> {
        match &self.0 {
            Stored::Argon2id(text) | Stored::Bcrypt(text) => Some(text),
            Stored::Keyed(_) => None,
        }
    }

    /// The cost of a bcrypt hash.
    pub(in crate::client) fn bcrypt_cost(&self) -> Option<u32> {
        match &self.0 {
            Stored::Bcrypt(text) => bcrypt_hash::cost(text),
            _ => None,
        }
    }

    /// The digest of a keyed hash.
    pub(in crate::client) fn keyed(&self) -> Option<&[u8; 32]> {
        match &self.0 {
            Stored::Argon2id(_) | Stored::Bcrypt(_) => None,
            Stored::Keyed(digest) => Some(digest),
        }
    }
}

impl fmt::Display for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Stored::Argon2id(text) | Stored::Bcrypt(text) => f.write_str(text),
            Stored::Keyed(digest) => {
                write!(f, "{KEYED_STORED}{}", base64_simd::URL_SAFE_NO_PAD.encode_to_string(digest))
            }
        }
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash([hidden])")
    }
}
