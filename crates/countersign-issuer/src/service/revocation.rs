//! Revocation of the issuer's own tokens.

use std::fmt;

use countersign_core::clock::UnixTime;

use crate::store::{AsyncStore, IdList, Insertion, StoreError};

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
}

impl fmt::Display for RevocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RevocationError::Full => {
                f.write_str("the list of revoked tokens has no room; wait until some expire, or revoke the signing key")
            }
            RevocationError::Store(error) => error.fmt(f),
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

impl RevocationError {
    fn check(insertion: Insertion) -> Result<(), Self> {
        match insertion {
            Insertion::New | Insertion::Unknown | Insertion::Present => Ok(()),
            Insertion::Full => Err(RevocationError::Full),
        }
    }
}

/// Revokes a token on the calling thread, for the issuer itself.
pub(super) fn revoke_blocking(store: &AsyncStore, token_id: &str, expires_at: UnixTime) -> Result<(), RevocationError> {
    RevocationError::check(store.insert_own_id(IdList::RevokedTokens, token_id, expires_at)?)
}

/// Revokes a token in a place of `client`.
pub(super) async fn revoke(
    store: &AsyncStore,
    client: &str,
    token_id: &str,
    expires_at: UnixTime,
) -> Result<(), RevocationError> {
    RevocationError::check(store.insert_id(IdList::RevokedTokens, client, token_id, expires_at).await?)
}

/// Returns whether a token is revoked, on behalf of `client`.
pub(super) async fn is_revoked(
    store: &AsyncStore,
    client: &str,
    token_id: &str,
    expires_at: UnixTime,
) -> Result<bool, StoreError> {
    store.contains_id(IdList::RevokedTokens, client, token_id, expires_at).await
}
