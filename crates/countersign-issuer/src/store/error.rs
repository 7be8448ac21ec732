//! The errors of a store.

use std::borrow::Cow;
use std::fmt;

/// A failure of the store, or of reading what it holds.
///
/// `Display` is meant for the log and carries nothing secret.
///
/// ```
/// use countersign_issuer::{StoreError, StoreErrorKind};
///
/// let error = StoreError::new(StoreErrorKind::Unavailable).with_detail("connection refused");
/// assert!(error.is_transient());
/// assert_eq!(error.to_string(), "the store is unavailable: connection refused");
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct StoreError {
    kind: StoreErrorKind,
    detail: Option<Cow<'static, str>>,
}

/// The kinds of [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store cannot be reached, is overloaded, or did not answer in time.
    Unavailable,
    /// The store answered with an error.
    Failed,
    /// It is unknown whether the id was stored: ids with its expiry were removed, by an instance whose clock was ahead.
    Removed,
    /// The store keeps no revocations but those of single tokens.
    Unsupported,
    /// The stored keys are gone, or older than those that this instance has read.
    Reset,
    /// Other instances changed the keys at each of several attempts.
    Contended,
    /// The stored keys cannot be decoded.
    Unreadable,
    /// The stored keys are sealed with another store key.
    WrongStoreKey,
    /// The stored keys are sealed, but the issuer was built without a store key.
    MissingStoreKey,
    /// The stored keys are not sealed, but the issuer was built with a store key.
    NotSealed,
    /// The stored keys belong to another issuer or to another version of the format.
    OtherIssuer,
    /// The stored keys use another algorithm than the configured one.
    OtherAlgorithm,
}

impl StoreError {
    /// An error of this kind.
    pub const fn new(kind: StoreErrorKind) -> Self {
        StoreError { kind, detail: None }
    }

    /// Adds a detail for the log; it must not hold anything secret.
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The kind of the error.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Returns whether a later attempt may succeed without a change of the configuration.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            StoreErrorKind::Unavailable | StoreErrorKind::Failed | StoreErrorKind::Contended | StoreErrorKind::Removed
        )
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            StoreErrorKind::Unavailable => "the store is unavailable",
            StoreErrorKind::Failed => "the store failed",
            StoreErrorKind::Removed => {
                "ids that have not expired were removed by an instance whose clock was ahead; compare the clocks"
            }
            StoreErrorKind::Unsupported => "the store keeps no revocations; use one of the stores of this crate",
            StoreErrorKind::Reset => {
                "the stored keys are gone, or older than those in use; restart every instance to use what is stored"
            }
            StoreErrorKind::Contended => "other instances keep changing the stored keys",
            StoreErrorKind::Unreadable => "the stored keys are not readable",
            StoreErrorKind::WrongStoreKey => "the stored keys are sealed with another store_key",
            StoreErrorKind::MissingStoreKey => "the stored keys are sealed; set their store_key",
            StoreErrorKind::NotSealed => "the stored keys are not sealed, but a store_key is set",
            StoreErrorKind::OtherIssuer => "the stored keys belong to another issuer or format version",
            StoreErrorKind::OtherAlgorithm => "the stored keys use another algorithm than the configured one",
        })?;
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

/// As `Display`, so that `fn main() -> Result<(), StoreError>` prints a readable line.
impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for StoreError {}
