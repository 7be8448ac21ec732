//! The error of a full list.

use std::fmt;

use countersign_core::revocation::SinkError;

/// The error of a full list, or of an issuer or subject that used up its share: the revocation was not added.
///
/// ```
/// use countersign::{clock::UnixTime, revocation::RevocationList};
///
/// let full = RevocationList::new().max_entries(0);
/// assert!(full.revoke_token("https://id.example.com", "jti", UnixTime::MAX).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct RevocationsFull;

impl fmt::Display for RevocationsFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the list of revocations, or the share of this issuer or subject, is full; raise max_entries or shorten tokens' lifetimes")
    }
}

impl std::error::Error for RevocationsFull {}

impl From<RevocationsFull> for SinkError {
    fn from(_: RevocationsFull) -> Self {
        SinkError::Full
    }
}
