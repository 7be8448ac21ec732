//! The keys of one issuer: held here, kept in its store, and moved on by time.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Bytes;
use countersign_core::clock::{Clock, UnixTime};
use countersign_core::key::{Algorithm, KeyCell, KeySet, KeySource, RefreshFuture, RefreshOutcome, RefreshReason};
use countersign_core::mint::Signer;
use countersign_core::policy::MAX_LEEWAY;
use serde_json::json;

use super::{KeyState, MARGIN, MAX_KEYS, PENDING_FOR, PublishedKey, RotationError, stored};
use crate::store::{Store, StoreError, StoreKey, StoredKeys};

/// How often an instance looks into its store for what others changed, at most.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How often a change is tried anew because another instance wrote first.
const MAX_ATTEMPTS: usize = 8;

/// What verifiers and the token endpoint see, without a lock.
pub(crate) struct Published {
    pub(crate) signer: Arc<Signer>,
    pub(crate) jwks: Bytes,
    pub(crate) etag: String,
    set: Arc<KeySet>,
    /// When the next state begins, if time alone brings one.
    next_change: Option<UnixTime>,
}

/// What a ring is made of.
pub(crate) struct RingSettings {
    pub(crate) issuer: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) longest_token: Duration,
    pub(crate) rotate_every: Option<Duration>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) seal: Option<StoreKey>,
}

/// The keys of one issuer, and their times.
pub(crate) struct KeyRing {
    settings: RingSettings,
    keys: Mutex<Keys>,
    published: ArcSwap<Published>,
    cell: KeyCell,
    /// When the next look into the store is due, in milliseconds of the clock.
    look_at: AtomicU64,
}

/// The keys as this instance knows them.
#[derive(Default)]
struct Keys {
    held: Vec<Held>,
    /// The version in the store that they came from.
    version: u64,
    /// Whether time has moved them on since.
    has_moved: bool,
}

#[derive(Clone)]
pub(super) struct Held {
    pub(super) signer: Arc<Signer>,
    pub(super) state: KeyState,
    pub(super) since: UnixTime,
}

impl KeyRing {
    /// The stored keys; where there are none, a new one, which signs at once: nobody holds an older set.
    pub(crate) fn open(settings: RingSettings) -> Result<Self, RotationError> {
        let mut keys = Keys::default();
        for _ in 0..MAX_ATTEMPTS {
            read(&settings, &mut keys)?;
            if keys.version > 0 {
                break;
            }
            let now = settings.clock.now();
            let first =
                Held { signer: Arc::new(Signer::generate(settings.algorithm)?), state: KeyState::Active, since: now };
            write(&settings, &mut keys, vec![first])?; // where another instance was first, its key is read
        }
        if keys.held.iter().any(|key| key.signer.algorithm() != settings.algorithm) {
            return Err(StoreError::new("the stored keys are of another algorithm than is configured").into());
        }
        let (cell, published) = (KeyCell::new(), published_of(&keys.held)?);
        cell.store(Arc::clone(&published.set), None);
        let look_at = AtomicU64::new(millis(settings.clock.elapsed().saturating_add(LOOK_EVERY)));
        let ring =
            KeyRing { settings, keys: Mutex::new(keys), published: ArcSwap::from_pointee(published), cell, look_at };
        ring.tend()?;
        Ok(ring)
    }

    /// What is published now. Keys whose time has come change their state first; the store learns of it later.
    pub(crate) fn published(&self) -> Arc<Published> {
        let published = self.published.load();
        let now = self.settings.clock.now();
        if published.next_change.is_none_or(|at| now < at) {
            return Arc::clone(&published);
        }
        drop(published);
        // Whoever holds the lock waits for the store, perhaps, and does the same.
        let mut keys = match self.keys.try_lock() {
            Ok(keys) => keys,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return self.published.load_full(),
        };
        let mut next = keys.held.clone();
        self.let_time_pass(&mut next, now);
        // Nothing is generated here, so it cannot fail but for keys that were accepted before.
        if let Ok(published) = published_of(&next) {
            keys.held = next;
            keys.has_moved = true;
            self.publish(published);
        }
        self.published.load_full()
    }

    /// Publishes a key that will sign once every verifier has it. One that is pending already is that key.
    pub(crate) fn rotate(&self) -> Result<PublishedKey, RotationError> {
        self.change(|held, now| self.add_pending(held, now))
    }

    /// Signs with another key from now on: the pending one, or a new one.
    pub(crate) fn rotate_now(&self) -> Result<PublishedKey, RotationError> {
        self.change(|held, now| {
            let next = match held.iter().position(Held::is_pending) {
                Some(index) => held.remove(index),
                None => self.generate(held, KeyState::Active, now)?,
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
                    None => self.generate(held, KeyState::Active, now)?,
                };
                self.activate(held, next, now);
            }
            Ok(true)
        })
    }

    pub(crate) fn keys(&self) -> Vec<PublishedKey> {
        self.published();
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).held.iter().map(Held::describe).collect()
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.settings.algorithm
    }

    /// Whether a look may mean a new key, which takes time to make.
    pub(crate) fn is_scheduled(&self) -> bool {
        self.settings.rotate_every.is_some()
    }

    /// Whether somebody should [`tend`](Self::tend) now; says so to one who asks.
    pub(crate) fn is_due(&self) -> bool {
        let now = self.settings.clock.elapsed();
        let next = millis(now.saturating_add(LOOK_EVERY));
        let claim = |at: u64| (at <= millis(now)).then_some(next);
        self.look_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim).is_ok()
    }

    /// Takes over what other instances changed, writes what time changed, and adds a key where the schedule says so.
    pub(crate) fn tend(&self) -> Result<(), RotationError> {
        self.change(|held, now| {
            let active = held.iter().find(|key| key.state == KeyState::Active);
            let age = active.map(|key| now.saturating_since(key.since)).unwrap_or_default();
            match self.settings.rotate_every {
                Some(every) if age >= every => self.add_pending(held, now).map(drop),
                _ => Ok(()),
            }
        })
    }

    /// Reads what is stored, lets time do its part, then `change`; what came of it is stored, then published. Where
    /// another instance wrote first, all of it once more, on what that one wrote.
    fn change<T>(
        &self,
        change: impl Fn(&mut Vec<Held>, UnixTime) -> Result<T, RotationError>,
    ) -> Result<T, RotationError> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..MAX_ATTEMPTS {
            read(&self.settings, &mut keys)?;
            let now = self.settings.clock.now();
            let mut next = keys.held.clone();
            self.let_time_pass(&mut next, now);
            let result = change(&mut next, now)?;
            let is_changed = keys.has_moved || next.iter().map(Held::describe).ne(keys.held.iter().map(Held::describe));
            let published = published_of(&next)?;
            if is_changed && !write(&self.settings, &mut keys, next)? {
                continue;
            }
            self.publish(published);
            return Ok(result);
        }
        Err(StoreError::new("other instances change the keys without a pause").into())
    }

    fn publish(&self, published: Published) {
        self.cell.store(Arc::clone(&published.set), None);
        self.published.store(Arc::new(published));
    }

    /// States only ever go forward: a clock that is set back brings no key back.
    fn let_time_pass(&self, held: &mut Vec<Held>, now: UnixTime) {
        let due = |key: &Held| matches!(key.state, KeyState::Pending { signs_from } if signs_from <= now);
        if let Some(index) = held.iter().position(due) {
            let next = held.remove(index);
            // Counted from the planned time, so that every instance comes to the same.
            let since = match next.state {
                KeyState::Pending { signs_from } => signs_from,
                _ => now,
            };
            self.activate(held, next, since);
        }
        held.retain(|key| !matches!(key.state, KeyState::Retiring { until } if until <= now));
    }

    fn activate(&self, held: &mut Vec<Held>, next: Held, since: UnixTime) -> PublishedKey {
        let retire_for = self.settings.longest_token.saturating_add(MAX_LEEWAY).saturating_add(MARGIN);
        for key in held.iter_mut().filter(|key| key.state == KeyState::Active) {
            key.state = KeyState::Retiring { until: since.saturating_add(retire_for) };
        }
        let next = Held { state: KeyState::Active, since, ..next };
        let described = next.describe();
        held.insert(0, next);
        described
    }

    fn add_pending(&self, held: &mut Vec<Held>, now: UnixTime) -> Result<PublishedKey, RotationError> {
        if let Some(pending) = held.iter().find(|key| key.is_pending()) {
            return Ok(pending.describe());
        }
        let next = self.generate(held, KeyState::Pending { signs_from: now.saturating_add(PENDING_FOR) }, now)?;
        let described = next.describe();
        held.push(next);
        Ok(described)
    }

    fn generate(&self, held: &[Held], state: KeyState, now: UnixTime) -> Result<Held, RotationError> {
        if held.len() >= MAX_KEYS {
            return Err(RotationError::TooManyKeys);
        }
        Ok(Held { signer: Arc::new(Signer::generate(self.settings.algorithm)?), state, since: now })
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

/// Takes over the stored keys where another instance has written since.
fn read(settings: &RingSettings, keys: &mut Keys) -> Result<(), RotationError> {
    let Some(StoredKeys { version, keys: text }) = settings.store.keys()? else { return Ok(()) };
    if version != keys.version {
        let held = stored::decode(&text, &settings.issuer, settings.seal.as_ref(), &keys.held)?;
        *keys = Keys { held, version, has_moved: false };
    }
    Ok(())
}

/// Stores `next`; `false` where another instance wrote first.
fn write(settings: &RingSettings, keys: &mut Keys, next: Vec<Held>) -> Result<bool, RotationError> {
    let text = zeroize::Zeroizing::new(stored::encode(&next, &settings.issuer, settings.seal.as_ref())?);
    let is_written = settings.store.replace_keys(keys.version, &text)?;
    if is_written {
        *keys = Keys { held: next, version: keys.version.saturating_add(1), has_moved: false };
    }
    Ok(is_written)
}

/// Writes the set, for others over HTTP and for verifiers in this process.
fn published_of(held: &[Held]) -> Result<Published, RotationError> {
    let active = held.iter().find(|key| key.state == KeyState::Active);
    let signer = active.ok_or(RotationError::NoneActive)?;
    let keys: Vec<_> = held.iter().filter_map(|key| key.signer.public_jwk()).collect();
    let jwks = json!({ "keys": keys }).to_string();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, jwks.as_bytes());
    let etag = format!("\"{}\"", base64_simd::URL_SAFE_NO_PAD.encode_to_string(digest.as_ref()));
    let set = Arc::new(KeySet::from_jwks(jwks.as_bytes())?);
    let next_change = held.iter().filter_map(Held::change_at).min();
    Ok(Published { signer: Arc::clone(&signer.signer), jwks: Bytes::from(jwks), etag, set, next_change })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Verifiers in this process need no network.
impl KeySource for KeyRing {
    fn cell(&self) -> &KeyCell {
        &self.cell
    }

    fn refresh(&self, _reason: RefreshReason) -> RefreshFuture<'_> {
        self.published();
        Box::pin(std::future::ready(RefreshOutcome::Refreshed))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("algorithm", &self.settings.algorithm).finish_non_exhaustive()
    }
}
