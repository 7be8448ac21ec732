//! The errors of client authentication.

use std::time::Duration;

use crate::store::StoreError;

/// The check could not be made now: too many others wait, or the store failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Busy;

/// A failed authentication.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AuthenticationError {
    /// An unknown client, a locked client or a wrong credential.
    Rejected,
    /// Too many recent failures.
    Throttled {
        retry_after: Duration,
    },
    Busy,
}

impl From<StoreError> for Busy {
    fn from(_: StoreError) -> Self {
        Busy // logged by the store
    }
}

impl From<Busy> for AuthenticationError {
    fn from(_: Busy) -> Self {
        AuthenticationError::Busy
    }
}
