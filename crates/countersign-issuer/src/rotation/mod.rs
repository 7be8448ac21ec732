//! Keys: pending (published, not signing), active (exactly one), retiring (published, not signing), gone.
//!
//! Verifiers keep a key set for as long as its `max-age` says. So a key signs only once every cache has it, and is
//! published until the last token that it signed has ended everywhere (S8.14).

mod ring;
mod stored;

use std::fmt;
use std::time::Duration;

use countersign_core::clock::UnixTime;
use countersign_core::key::KeyRejected;

pub(crate) use ring::{KeyRing, Published, RingSettings};

use crate::store::StoreError;

/// How long verifiers may keep the key set, as its `Cache-Control` says.
pub(crate) const JWKS_MAX_AGE: Duration = Duration::from_secs(300);

/// How long a verifier may wait between looks for a key that it misses, at most (S8.14).
const VERIFIER_COOL_DOWN: Duration = Duration::from_secs(60);

/// Room for clocks that differ, and for caches on the way.
const MARGIN: Duration = Duration::from_secs(60);

/// How long a key is published before it signs.
pub(crate) const PENDING_FOR: Duration = JWKS_MAX_AGE.saturating_add(VERIFIER_COOL_DOWN).saturating_add(MARGIN);

/// The most keys published at once; whoever rotates faster than keys retire is refused.
const MAX_KEYS: usize = 16;

/// Where a published key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyState {
    /// Published, so that verifiers learn it; signs from then on.
    Pending {
        /// When it begins to sign.
        signs_from: UnixTime,
    },
    /// Signs.
    Active,
    /// Published, so that what it signed stays good; signs no more.
    Retiring {
        /// When it is dropped.
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
    /// Its `kid`: the RFC 7638 thumbprint.
    pub key_id: String,
    /// Where it stands.
    pub state: KeyState,
}

/// Why the keys stay as they were.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub enum RotationError {
    /// Sixteen keys are published already; wait until old ones are gone.
    TooManyKeys,
    /// No key could be made.
    NoKey(KeyRejected),
    /// No key would be left to sign.
    NoneActive,
    /// The keys could not be read or written; nothing has changed here, but may have in the store.
    Store(StoreError),
}

impl fmt::Display for RotationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RotationError::TooManyKeys => {
                write!(f, "{MAX_KEYS} keys are published already; wait until old ones are gone")
            }
            RotationError::Store(error) => write!(f, "{error}"),
            RotationError::NoneActive => f.write_str("no key would be left to sign"),
            RotationError::NoKey(reason) => write!(f, "no key could be made: {reason}"),
        }
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
        RotationError::NoKey(reason)
    }
}
