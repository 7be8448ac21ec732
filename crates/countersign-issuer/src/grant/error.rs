//! The errors of a grant.

use crate::store::StoreError;

/// A refused grant, by the error code of its response. Descriptions are fixed texts.
#[derive(Clone, Debug)]
pub(crate) enum GrantError {
    InvalidRequest(&'static str),
    /// An assertion that is not accepted, with the reason for the log. The response does not reveal it.
    InvalidGrant(&'static str),
    InvalidScope(&'static str),
    InvalidTarget(&'static str),
    /// No randomness is available.
    Unavailable,
    /// It is unknown whether a presented token is revoked.
    Store,
}

impl From<StoreError> for GrantError {
    fn from(_: StoreError) -> Self {
        GrantError::Store // logged by the store
    }
}
