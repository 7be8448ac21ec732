//! The failures of a revocation.

use std::fmt;

use countersign_core::revocation::{InvalidNotice, SinkError};

use crate::store::StoreError;

/// A failure to revoke a token.
///
/// ```
/// use countersign_core::clock::UnixTime;
/// use countersign_issuer::{Issuer, RevocationError};
///
/// let issuer = Issuer::builder("http://127.0.0.1:4000").build()?;
/// match issuer.revoke_token("018bcfe5-6800-7000-8000-000000000000", UnixTime::from_secs(1_700_000_300)) {
///     Ok(()) => {}
///     Err(RevocationError::Full) => { /* revoke the key instead */ }
///     Err(error) => return Err(error.into()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub enum RevocationError {
    /// The list is full of revoked tokens that have not expired, or the client has its share of it.
    Full,
    /// The revocation could not be stored.
    Store(StoreError),
    /// The revocation is stored, and this issuer refuses its tokens, but a sink did not take it. Revoke again to tell it.
    NotDistributed(SinkError),
    /// The revocation names another issuer.
    OtherIssuer,
    /// The revocation means tokens that will be issued later than a minute from now. It could not be undone.
    InFuture,
    /// An index of a status list was named, and the issuer has no lists.
    NoStatusLists,
    /// The name of the token is none that a revocation may have.
    Invalid(InvalidNotice),
}

impl fmt::Display for RevocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RevocationError::Full => {
                f.write_str("the list of revoked tokens has no room; wait until some expire, or revoke the signing key")
            }
            RevocationError::Store(error) => error.fmt(f),
            RevocationError::NotDistributed(error) => {
                write!(f, "the revocation is stored, but a sink did not take it: {error}")
            }
            RevocationError::OtherIssuer => {
                f.write_str("the revocation is of another issuer; give it the name of this one")
            }
            RevocationError::InFuture => {
                f.write_str("the revocation means tokens of the future; give it a time that is over")
            }
            RevocationError::NoStatusLists => {
                f.write_str("the issuer has no status lists; set status_lists, or revoke without an index")
            }
            RevocationError::Invalid(error) => error.fmt(f),
        }
    }
}

/// As `Display`, so that `fn main() -> Result<(), RevocationError>` prints a readable line.
impl fmt::Debug for RevocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for RevocationError {}

impl From<StoreError> for RevocationError {
    fn from(error: StoreError) -> Self {
        RevocationError::Store(error)
    }
}
