//! One signing key and its state.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::UnixTime;
use countersign_core::mint::Signer;

/// The state of a published key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyState {
    /// Published, so that verifiers learn the key before it signs.
    Pending {
        /// The planned time from which it signs: at an instance that restarts meanwhile, 420 s after the restart.
        signs_from: UnixTime,
    },
    /// Signs new tokens.
    Active,
    /// Published, so that its tokens stay valid; signs nothing any more.
    Retiring {
        /// The planned time at which it is removed.
        until: UnixTime,
    },
}

/// A key of the published set.
///
/// ```
/// use countersign_issuer::{Issuer, KeyState};
///
/// let issuer = Issuer::builder("http://127.0.0.1:4000").build()?;
/// let next = issuer.rotate()?; // published now, signs in 420 s
/// assert!(matches!(next.state, KeyState::Pending { .. }));
/// assert_eq!(issuer.keys().len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishedKey {
    /// The `kid`: the RFC 7638 thumbprint.
    pub key_id: String,
    /// The state of the key.
    pub state: KeyState,
}

/// A signing key with its state, and the time since which it is in that state.
#[derive(Clone)]
pub(super) struct RingKey {
    pub(super) signer: Arc<Signer>,
    pub(super) state: KeyState,
    pub(super) since: UnixTime,
    /// The monotonic time since which this instance has seen it in that state.
    pub(super) seen_at: Duration,
}

impl RingKey {
    pub(super) fn is_pending(&self) -> bool {
        matches!(self.state, KeyState::Pending { .. })
    }

    pub(super) fn describe(&self) -> PublishedKey {
        PublishedKey { key_id: self.signer.key_id().to_owned(), state: self.state }
    }
}
