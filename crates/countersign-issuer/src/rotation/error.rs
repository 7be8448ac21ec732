//! The errors of a rotation.

use std::fmt;

use countersign_core::key::KeyRejected;

use crate::store::StoreError;

/// The most keys that are published at once.
pub(super) const MAX_KEYS: usize = 16;

/// A failure to change the signing keys. The published keys stay as they were.
///
/// ```
/// use countersign_issuer::{Issuer, RotationError};
///
/// let issuer = Issuer::builder("http://127.0.0.1:4000").build()?;
/// for _ in 1..16 {
///     issuer.rotate_now()?;
/// }
/// assert_eq!(issuer.rotate_now(), Err(RotationError::TooManyKeys));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub enum RotationError {
    /// Sixteen keys are already published; wait until old ones expire.
    TooManyKeys,
    /// The new key could not be generated.
    Generation(KeyRejected),
    /// The stored keys have no active key.
    NoActiveKey,
    /// The keys could not be read or written. The store may have the change.
    Store(StoreError),
}

impl fmt::Display for RotationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RotationError::TooManyKeys => {
                write!(f, "{MAX_KEYS} keys are already published; wait until old ones expire")
            }
            RotationError::Store(error) => error.fmt(f),
            RotationError::NoActiveKey => f.write_str("the stored keys have no active key"),
            RotationError::Generation(reason) => write!(f, "the key could not be generated: {reason}"),
        }
    }
}

/// As `Display`, so that `fn main() -> Result<(), RotationError>` prints a readable line.
impl fmt::Debug for RotationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for RotationError {}

impl From<StoreError> for RotationError {
    fn from(error: StoreError) -> Self {
        RotationError::Store(error)
    }
}

impl From<KeyRejected> for RotationError {
    fn from(reason: KeyRejected) -> Self {
        RotationError::Generation(reason)
    }
}
