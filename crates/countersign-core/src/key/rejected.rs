//! The error of keys and key sets that are not used.

use std::fmt;

/// The reason why a key is not used.
///
/// ```
/// use countersign_core::key::{KeyRejectedKind, VerifyingKey};
///
/// let rejected = VerifyingKey::from_jwk(r#"{"kty":"oct","k":"c2VjcmV0"}"#).unwrap_err();
/// assert_eq!(rejected.kind(), KeyRejectedKind::PrivateKey);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct KeyRejected {
    kind: KeyRejectedKind,
    detail: &'static str,
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

impl KeyRejected {
    pub(crate) const fn new(kind: KeyRejectedKind, detail: &'static str) -> Self {
        KeyRejected { kind, detail }
    }

    /// The kind of the reason.
    #[must_use]
    pub const fn kind(&self) -> KeyRejectedKind {
        self.kind
    }
}

impl fmt::Display for KeyRejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail)
    }
}

impl std::error::Error for KeyRejected {}
