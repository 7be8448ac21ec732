//! Keys: pending (published, not signing), active (exactly one), retiring (published, not signing), gone.
//!
//! Verifiers keep a key set for as long as its `max-age` says. So a key signs only once every cache has it, and is
//! published until the last token that it signed has ended everywhere (S8.14).

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Bytes;
use countersign_core::clock::{Clock, UnixTime};
use countersign_core::key::{Algorithm, KeyCell, KeyRejected, KeySet, KeySource, Refresh, RefreshFuture, Wanted};
use countersign_core::mint::Signer;
use countersign_core::policy::MAX_LEEWAY;
use serde_json::json;

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
}

impl fmt::Display for RotationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RotationError::TooManyKeys => {
                write!(f, "{MAX_KEYS} keys are published already; wait until old ones are gone")
            }
            RotationError::NoneActive => f.write_str("no key would be left to sign"),
            RotationError::NoKey(reason) => write!(f, "no key could be made: {reason}"),
        }
    }
}

impl std::error::Error for RotationError {}

impl From<KeyRejected> for RotationError {
    fn from(reason: KeyRejected) -> Self {
        RotationError::NoKey(reason)
    }
}

/// What verifiers and the token endpoint see, without a lock.
pub(crate) struct Published {
    pub(crate) signer: Arc<Signer>,
    pub(crate) jwks: Bytes,
    pub(crate) etag: String,
    /// When the next state begins, if time alone brings one.
    next_change: Option<UnixTime>,
}

/// The keys of one issuer, and their times.
pub(crate) struct KeyRing {
    algorithm: Algorithm,
    retire_for: Duration,
    clock: Arc<dyn Clock>,
    held: Mutex<Vec<Held>>,
    published: ArcSwap<Published>,
    cell: KeyCell,
}

#[derive(Clone)]
struct Held {
    signer: Arc<Signer>,
    state: KeyState,
}

impl KeyRing {
    /// A ring of one new key, which signs at once: nobody holds an older set.
    pub(crate) fn new(
        algorithm: Algorithm,
        longest_token: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RotationError> {
        let held = vec![Held { signer: Arc::new(Signer::generate(algorithm)?), state: KeyState::Active }];
        let cell = KeyCell::new();
        let published = publish(&held, &cell)?;
        Ok(KeyRing {
            algorithm,
            retire_for: longest_token.saturating_add(MAX_LEEWAY).saturating_add(MARGIN),
            clock,
            held: Mutex::new(held),
            published: ArcSwap::from_pointee(published),
            cell,
        })
    }

    /// What is published now. Keys whose time has come change their state first.
    pub(crate) fn published(&self) -> Arc<Published> {
        let published = self.published.load();
        let now = self.clock.now();
        if published.next_change.is_none_or(|at| now < at) {
            return Arc::clone(&published);
        }
        drop(published);
        // Nothing is generated here, so it cannot fail but for keys that were accepted before.
        let _ = self.change(|_, _| Ok(()));
        self.published.load_full()
    }

    /// Publishes a key that will sign once every verifier has it. One that is pending already is that key.
    pub(crate) fn rotate(&self) -> Result<PublishedKey, RotationError> {
        self.change(|held, now| {
            if let Some(pending) = held.iter().find(|key| key.is_pending()) {
                return Ok(pending.describe());
            }
            let state = KeyState::Pending { signs_from: now.saturating_add(PENDING_FOR) };
            let next = self.generate(held, state)?;
            held.push(next.clone());
            Ok(next.describe())
        })
    }

    /// Signs with another key from now on: the pending one, or a new one.
    pub(crate) fn rotate_now(&self) -> Result<PublishedKey, RotationError> {
        self.change(|held, now| {
            let next = match held.iter().position(Held::is_pending) {
                Some(index) => held.remove(index),
                None => self.generate(held, KeyState::Active)?,
            };
            Ok(self.activate(held, next, now))
        })
    }

    /// Drops a key at once. Where it was the active one, another takes its place.
    pub(crate) fn revoke(&self, key_id: &str) -> Result<bool, RotationError> {
        self.change(|held, now| {
            let Some(index) = held.iter().position(|key| key.signer.key_id() == key_id) else { return Ok(false) };
            let was_active = held.remove(index).state == KeyState::Active;
            if was_active {
                let next = match held.iter().position(Held::is_pending) {
                    Some(index) => held.remove(index),
                    None => self.generate(held, KeyState::Active)?,
                };
                self.activate(held, next, now);
            }
            Ok(true)
        })
    }

    pub(crate) fn keys(&self) -> Vec<PublishedKey> {
        self.published();
        self.held.lock().unwrap_or_else(PoisonError::into_inner).iter().map(Held::describe).collect()
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Lets time do its part, then `change`; publishes what came of it, or leaves everything as it was.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Vec<Held>, UnixTime) -> Result<T, RotationError>,
    ) -> Result<T, RotationError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let mut next = held.clone();
        self.let_time_pass(&mut next, now);
        let result = change(&mut next, now)?;
        let published = publish(&next, &self.cell)?;
        *held = next;
        self.published.store(Arc::new(published));
        Ok(result)
    }

    /// States only ever go forward: a clock that is set back brings no key back.
    fn let_time_pass(&self, held: &mut Vec<Held>, now: UnixTime) {
        let is_due = |key: &Held| matches!(key.state, KeyState::Pending { signs_from } if signs_from <= now);
        if let Some(index) = held.iter().position(is_due) {
            let next = held.remove(index);
            self.activate(held, next, now);
        }
        held.retain(|key| !matches!(key.state, KeyState::Retiring { until } if until <= now));
    }

    fn activate(&self, held: &mut Vec<Held>, next: Held, now: UnixTime) -> PublishedKey {
        for key in held.iter_mut().filter(|key| key.state == KeyState::Active) {
            key.state = KeyState::Retiring { until: now.saturating_add(self.retire_for) };
        }
        let next = Held { state: KeyState::Active, ..next };
        let described = next.describe();
        held.insert(0, next);
        described
    }

    fn generate(&self, held: &[Held], state: KeyState) -> Result<Held, RotationError> {
        if held.len() >= MAX_KEYS {
            return Err(RotationError::TooManyKeys);
        }
        Ok(Held { signer: Arc::new(Signer::generate(self.algorithm)?), state })
    }
}

impl Held {
    fn is_pending(&self) -> bool {
        matches!(self.state, KeyState::Pending { .. })
    }

    fn describe(&self) -> PublishedKey {
        PublishedKey { key_id: self.signer.key_id().to_owned(), state: self.state }
    }

    fn change_at(&self) -> Option<UnixTime> {
        match self.state {
            KeyState::Active => None,
            KeyState::Pending { signs_from: at } | KeyState::Retiring { until: at } => Some(at),
        }
    }
}

/// Writes the set, for others over HTTP and for verifiers in this process.
fn publish(held: &[Held], cell: &KeyCell) -> Result<Published, RotationError> {
    let active = held.iter().find(|key| key.state == KeyState::Active);
    let signer = active.ok_or(RotationError::NoneActive)?;
    let keys: Vec<_> = held.iter().filter_map(|key| key.signer.public_jwk()).collect();
    let jwks = json!({ "keys": keys }).to_string();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, jwks.as_bytes());
    let etag = format!("\"{}\"", base64_simd::URL_SAFE_NO_PAD.encode_to_string(digest.as_ref()));
    cell.store(Arc::new(KeySet::from_jwks(jwks.as_bytes())?), None);
    let next_change = held.iter().filter_map(Held::change_at).min();
    Ok(Published { signer: Arc::clone(&signer.signer), jwks: Bytes::from(jwks), etag, next_change })
}

/// Verifiers in this process need no network.
impl KeySource for KeyRing {
    fn cell(&self) -> &KeyCell {
        &self.cell
    }

    fn refresh(&self, _wanted: Wanted) -> RefreshFuture<'_> {
        self.published();
        Box::pin(std::future::ready(Refresh::Looked))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
