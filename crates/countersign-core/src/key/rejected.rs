//! The error of keys and key sets that are not used.

use std::fmt;

use crate::redact::quoted_unless_word;

/// The number of skipped entries in a message.
const MAX_LISTED: usize = 4;

/// The reason why a key is not used.
///
/// ```
/// use countersign_core::key::{KeyRejectedKind, VerifyingKey};
///
/// let rejected = VerifyingKey::from_jwk(r#"{"kty":"oct","k":"c2VjcmV0"}"#).unwrap_err();
/// assert_eq!(rejected.kind(), KeyRejectedKind::PrivateKey);
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct KeyRejected {
    kind: KeyRejectedKind,
    detail: &'static str,
    skipped: Vec<SkippedKey>,
}

/// The kinds of [`KeyRejected`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyRejectedKind {
    /// It is not a JWK, JWK Set, PEM or DER of the right form.
    Malformed,
    /// Its key type, curve or algorithm is not supported.
    Unsupported,
    /// Its `use` or `key_ops` do not permit verifying signatures.
    WrongPurpose,
    /// It contains private or symmetric material, and is compromised if it was published.
    PrivateKey,
    /// Its type does not fit the algorithm.
    WrongAlgorithm,
    /// It is too short, or its numbers are unsafe.
    Weak,
    /// The key set exceeds the bounds of size or number.
    TooLarge,
    /// The key set has entries, and none is usable.
    Empty,
    /// The key set is well-formed and has no entry: the issuer states that it has no keys.
    NoKeys,
    /// It could not be generated, or failed its self-test.
    Unusable,
}

/// An entry of a JWKS that is not used, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedKey {
    /// Its `kid`, safe to log; empty if it has none.
    pub key_id: String,
    /// The reason why the key is not used.
    pub reason: KeyRejected,
    /// True if the entry holds private or symmetric material: that key is compromised; replace it.
    pub is_private_key: bool,
    /// True if the entry is public and its `use` is `enc`: a provider publishes it for encryption, and nothing is wrong.
    pub is_for_encryption: bool,
}

/// The `kid`, if there is one, and the reason.
impl fmt::Display for SkippedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key_id.as_str() {
            "" => write!(f, "without kid: {}", self.reason),
            name => write!(f, "{}: {}", quoted_unless_word(name.to_owned()), self.reason),
        }
    }
}

impl KeyRejected {
    pub(crate) const fn new(kind: KeyRejectedKind, detail: &'static str) -> Self {
        KeyRejected { kind, detail, skipped: Vec::new() }
    }

    /// A set of which every entry was skipped.
    pub(super) fn empty(skipped: Vec<SkippedKey>) -> Self {
        KeyRejected { skipped, ..KeyRejected::new(KeyRejectedKind::Empty, "the key set has no usable key") }
    }

    /// The entries of a key set in which none is usable, each with its reason.
    ///
    /// ```
    /// use countersign_core::key::KeySet;
    ///
    /// let rejected = KeySet::from_jwks(br#"{"keys":[{"kty":"XYZ","kid":"k1"}]}"#).unwrap_err();
    /// assert_eq!(rejected.skipped()[0].key_id, "k1");
    /// assert_eq!(rejected.to_string(), "the key set has no usable key: k1: kty is not RSA, EC, OKP or AKP");
    /// ```
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// The kind of the reason.
    #[must_use]
    pub const fn kind(&self) -> KeyRejectedKind {
        self.kind
    }
}

/// Names the first skipped entries.
impl fmt::Display for KeyRejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail)?;
        for (index, skipped) in self.skipped.iter().take(MAX_LISTED).enumerate() {
            write!(f, "{}{skipped}", if index == 0 { ": " } else { "; " })?;
        }
        match self.skipped.len().saturating_sub(MAX_LISTED) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// As `Display`, so that `fn main() -> Result<(), KeyRejected>` prints a readable line.
impl fmt::Debug for KeyRejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for KeyRejected {}
