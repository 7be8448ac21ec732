//! The signing keys of one issuer: read from its store, changed by rotation and by time.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use arc_swap::ArcSwap;
use countersign_core::clock::Clock;
use countersign_core::integration::SweepTime;
use countersign_core::key::{Algorithm, KeyCell, KeySet};
use countersign_core::mint::Signer;
use countersign_core::policy::MAX_LEEWAY;

use super::error::MAX_KEYS;
use super::key::{KeyState, PublishedKey, RingKey};
use super::states::{self, Moment};
use super::timing::{MAINTENANCE_INTERVAL, MARGIN, PENDING_FOR, READ_AHEAD, RESET_FOR, STALE_FOR};
use super::{Published, RotationError, encoding};
use crate::counts::StoreTimer;
use crate::store::{Store, StoreError, StoreErrorKind, StoreKey, StoredKeys};

/// The attempts at a change before other instances that wrote first make it fail.
const MAX_ATTEMPTS: usize = 8;

/// The settings of a key ring.
pub(crate) struct RingSettings {
    pub(crate) issuer: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) max_token_lifetime: Duration,
    pub(crate) rotation_interval: Option<Duration>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) store_key: Option<StoreKey>,
}

/// The signing keys of one issuer.
pub(crate) struct KeyRing {
    settings: RingSettings,
    keys: Mutex<Keys>,
    swept_by: SweepTime,
    published: ArcSwap<Published>,
    /// The keys for verifiers in this process.
    pub(super) cell: KeyCell,
    /// The time of the next maintenance, in milliseconds of the clock.
    maintenance_at: AtomicU64,
    /// The time of the last successful read of the store, in milliseconds of the clock.
    read_at: AtomicU64,
    /// True if another instance has written the keys since the last read of the store began.
    is_changed: AtomicBool,
    /// True if the last answer of the store had no keys, older ones, or ones that cannot be used.
    is_reset: AtomicBool,
}

/// The keys as this instance last read or wrote them.
#[derive(Default)]
struct Keys {
    current: Vec<RingKey>,
    /// Their version in the store.
    version: u64,
    /// The digest of their stored form.
    digest: [u8; 32],
    /// True if time has changed a state since.
    is_advanced: bool,
    /// The time up to which verifiers use them without another read of the store.
    usable_until: Duration,
}

impl KeyRing {
    /// Reads the stored keys. Without stored keys it generates one that signs at once: no verifier has an older set.
    pub(crate) fn open(settings: RingSettings) -> Result<Self, RotationError> {
        let mut keys = Keys::default();
        for _ in 0..MAX_ATTEMPTS {
            read(&settings, &mut keys)?;
            if keys.version > 0 {
                break;
            }
            let (since, seen_at) = (settings.clock.now(), settings.clock.elapsed());
            let signer = Arc::new(Signer::generate(settings.algorithm)?);
            let first = RingKey { signer, state: KeyState::Active, since, seen_at };
            write(&settings, &mut keys, vec![first])?; // if another instance wrote first, its key is read next
        }
        let (cell, published) = (KeyCell::new(), Published::new(&keys.current, settings.retire_for())?);
        let due_at = settings.clock.elapsed().saturating_add(MAINTENANCE_INTERVAL);
        let ring = KeyRing {
            settings,
            keys: Mutex::new(keys),
            swept_by: SweepTime::default(),
            published: ArcSwap::from_pointee(published),
            cell,
            maintenance_at: AtomicU64::new(millis(due_at)),
            read_at: AtomicU64::new(0),
            is_changed: AtomicBool::new(false),
            is_reset: AtomicBool::new(false),
        };
        ring.maintain()?;
        Ok(ring)
    }

    /// The published keys. Applies due changes of state first; the store gets them with the next write.
    pub(crate) fn published(&self) -> Arc<Published> {
        let published = self.published.load();
        let elapsed = self.settings.clock.elapsed();
        if published.next_change.is_none_or(|at| elapsed < at) {
            return Arc::clone(&published);
        }
        drop(published);
        // The owner of the lock may wait for the store, and applies the same changes.
        let mut keys = match self.keys.try_lock() {
            Ok(keys) => keys,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return self.published.load_full(),
        };
        let mut next = keys.current.clone();
        states::advance(&mut next, self.moment(), self.settings.retire_for());
        // No key is generated here, so it fails only for keys that were accepted before.
        if let Ok(published) = Published::new(&next, self.settings.retire_for()) {
            keys.current = next;
            keys.is_advanced = true;
            self.publish(published, keys.usable_until);
        }
        self.published.load_full()
    }

    /// Publishes a key that signs after every verifier has it. Returns the pending key if there is one.
    pub(crate) fn rotate(&self) -> Result<PublishedKey, RotationError> {
        self.change(|keys, moment| self.add_pending(keys, moment))
    }

    /// Signs with another key from now on: the pending one, or a new one.
    pub(crate) fn rotate_now(&self) -> Result<PublishedKey, RotationError> {
        self.change(|keys, moment| self.activate_next(keys, moment))
    }

    /// Removes a key at once. Activates another one if it was the active key.
    pub(crate) fn revoke(&self, key_id: &str) -> Result<bool, RotationError> {
        self.change(|keys, moment| {
            let Some(index) = keys.iter().position(|key| key.signer.key_id() == key_id) else { return Ok(false) };
            let was_active = keys.remove(index).state == KeyState::Active;
            if was_active {
                self.activate_next(keys, moment)?;
            }
            Ok(true)
        })
    }

    /// Another instance has written the keys: nobody uses those of the last read before the store is read again.
    pub(crate) fn expect_change(&self) {
        self.is_changed.store(true, Ordering::SeqCst);
        self.maintenance_at.store(0, Ordering::Relaxed);
        self.cell.serve_stale(self.settings.clock.elapsed());
    }

    /// Returns whether the keys of the last read are known to be old.
    pub(super) fn is_changed(&self) -> bool {
        self.is_changed.load(Ordering::SeqCst)
    }

    /// The time of the last successful read of the store.
    pub(super) fn read_at(&self) -> Duration {
        Duration::from_millis(self.read_at.load(Ordering::Relaxed))
    }

    /// Returns whether the last answer of the store had no keys, older ones, or ones that cannot be used.
    pub(super) fn is_reset(&self) -> bool {
        self.is_reset.load(Ordering::Relaxed)
    }

    /// The time up to which the keys of the last read are used if the store does not confirm them: an hour while it is
    /// unavailable, a minute if it answered that they are gone or replaced.
    pub(super) fn stale_until(&self) -> Duration {
        let stale_for = if self.is_reset() { RESET_FOR } else { STALE_FOR };
        self.read_at().saturating_add(stale_for)
    }

    /// Returns whether the stored keys are gone, so that the current ones sign and verify nothing any more.
    pub(crate) fn is_withdrawn(&self) -> bool {
        self.is_reset() && self.stale_until() <= self.settings.clock.elapsed()
    }

    /// Returns the clock of the issuer.
    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.settings.clock
    }

    /// Returns whether [`maintain`](Self::maintain) may take long: it waits for others, or generates a key.
    pub(crate) fn may_take_long(&self) -> bool {
        self.settings.store.may_wait() || self.settings.rotation_interval.is_some()
    }

    /// Returns whether [`maintain`](Self::maintain) may block.
    pub(crate) fn may_block(&self) -> bool {
        self.settings.store.is_blocking() || self.settings.rotation_interval.is_some()
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.settings.algorithm
    }

    /// Returns whether [`maintain`](Self::maintain) is due. Of concurrent callers, one gets `true`.
    pub(crate) fn is_maintenance_due(&self) -> bool {
        let now = self.settings.clock.elapsed();
        let next = millis(now.saturating_add(MAINTENANCE_INTERVAL));
        let claim = |at: u64| (at <= millis(now)).then_some(next);
        self.maintenance_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim).is_ok()
    }

    /// Reads changes of other instances, writes changes of state, and adds a key if the schedule requires it.
    pub(crate) fn maintain(&self) -> Result<(), RotationError> {
        self.change(|keys, moment| {
            let active = keys.iter().find(|key| key.state == KeyState::Active);
            let age = active.map(|key| moment.lowest.saturating_since(key.since)).unwrap_or_default();
            match self.settings.rotation_interval {
                Some(interval) if age >= interval => self.add_pending(keys, moment).map(drop),
                _ => Ok(()),
            }
        })
    }

    /// Reads the stored keys, applies due changes of state and `change`, writes the result, then publishes it. Starts
    /// over if another instance wrote first.
    fn change<T>(
        &self,
        change: impl Fn(&mut Vec<RingKey>, Moment) -> Result<T, RotationError>,
    ) -> Result<T, RotationError> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let read_at = self.settings.clock.elapsed();
        for _ in 0..MAX_ATTEMPTS {
            self.read(&mut keys, read_at)?;
            let moment = self.moment();
            let mut next = keys.current.clone();
            states::advance(&mut next, moment, self.settings.retire_for());
            let result = change(&mut next, moment)?;
            let described = |keys: &[RingKey]| keys.iter().map(RingKey::describe).collect::<Vec<_>>();
            if !keys.is_advanced && described(&next) == described(&keys.current) {
                return Ok(result);
            }
            let published = Published::new(&next, self.settings.retire_for())?;
            if write(&self.settings, &mut keys, next)? {
                self.publish(published, keys.usable_until);
                return Ok(result);
            }
        }
        Err(StoreError::new(StoreErrorKind::Contended).into())
    }

    /// Reads the stored keys and publishes them, whether or not a change of them can be written afterwards.
    fn read(&self, keys: &mut Keys, read_at: Duration) -> Result<(), RotationError> {
        let version_before = keys.version;
        self.is_changed.store(false, Ordering::SeqCst);
        let result = read(&self.settings, keys);
        // An outage confirms nothing: what the store answered before it still counts.
        if result.as_ref().map_or_else(is_answer, |()| true) {
            self.is_reset.store(result.is_err(), Ordering::Relaxed);
        }
        result?;
        keys.usable_until = read_at.saturating_add(READ_AHEAD);
        self.read_at.store(millis(read_at), Ordering::Relaxed);
        if keys.version == version_before {
            self.store_keys(Arc::clone(&self.published.load().set), keys.usable_until);
            return Ok(());
        }
        let mut current = keys.current.clone();
        states::advance(&mut current, self.moment(), self.settings.retire_for());
        self.publish(Published::new(&current, self.settings.retire_for())?, keys.usable_until);
        Ok(())
    }

    fn publish(&self, published: Published, usable_until: Duration) {
        self.store_keys(Arc::clone(&published.set), usable_until);
        self.published.store(Arc::new(published));
    }

    fn store_keys(&self, set: Arc<KeySet>, usable_until: Duration) {
        self.cell.store(set, Some(usable_until));
        if self.is_changed() {
            // The change came during the read, which may have missed it.
            self.cell.serve_stale(self.settings.clock.elapsed());
        }
    }

    fn moment(&self) -> Moment {
        let clock = &*self.settings.clock;
        Moment { now: clock.now(), lowest: self.swept_by.read(clock), elapsed: clock.elapsed() }
    }

    /// Activates the pending key, or a new one.
    fn activate_next(&self, keys: &mut Vec<RingKey>, moment: Moment) -> Result<PublishedKey, RotationError> {
        let next = match keys.iter().position(RingKey::is_pending) {
            Some(index) => keys.remove(index),
            None => self.generate(keys, KeyState::Active, moment)?,
        };
        Ok(states::activate(keys, next, moment, self.settings.retire_for()))
    }

    fn add_pending(&self, keys: &mut Vec<RingKey>, moment: Moment) -> Result<PublishedKey, RotationError> {
        if let Some(pending) = keys.iter().find(|key| key.is_pending()) {
            return Ok(pending.describe());
        }
        let state = KeyState::Pending { signs_from: moment.now.saturating_add(PENDING_FOR) };
        let next = self.generate(keys, state, moment)?;
        let described = next.describe();
        keys.push(next);
        Ok(described)
    }

    fn generate(&self, keys: &[RingKey], state: KeyState, moment: Moment) -> Result<RingKey, RotationError> {
        if keys.len() >= MAX_KEYS {
            return Err(RotationError::TooManyKeys);
        }
        let signer = Arc::new(Signer::generate(self.settings.algorithm)?);
        Ok(RingKey { signer, state, since: moment.now, seen_at: moment.elapsed })
    }
}

impl RingSettings {
    /// The time for which a key is published after it has signed.
    fn retire_for(&self) -> Duration {
        self.max_token_lifetime.saturating_add(MAX_LEEWAY).saturating_add(MARGIN)
    }
}

/// Reads the stored keys if another instance has written since.
fn read(settings: &RingSettings, keys: &mut Keys) -> Result<(), RotationError> {
    const RESET: StoreError = StoreError::new(StoreErrorKind::Reset);
    let timer = StoreTimer::start();
    let stored = settings.store.keys();
    timer.stop(stored.is_err());
    let Some(StoredKeys { version, keys: stored }) = stored? else {
        // Somebody removed them, for example after a compromise.
        return if keys.version == 0 { Ok(()) } else { Err(RESET.into()) };
    };
    let stored = zeroize::Zeroizing::new(stored);
    let digest = digest(&stored);
    if version < keys.version || (version == keys.version && digest != keys.digest) {
        return Err(RESET.into());
    }
    if version > keys.version {
        let current = encoding::decode(
            &stored,
            &settings.issuer,
            settings.store_key.as_ref(),
            &keys.current,
            settings.clock.elapsed(),
        )?;
        if current.iter().any(|key| key.signer.algorithm() != settings.algorithm) {
            return Err(StoreError::new(StoreErrorKind::OtherAlgorithm).into());
        }
        Published::new(&current, settings.retire_for())?; // fails without an active key
        *keys = Keys { current, version, digest, is_advanced: false, usable_until: keys.usable_until };
    }
    Ok(())
}

/// Returns whether a failed read is an answer of the store that it does not have the current keys.
fn is_answer(error: &RotationError) -> bool {
    match error {
        RotationError::Store(error) => !error.is_transient(),
        RotationError::NoActiveKey | RotationError::Generation(_) => true,
        RotationError::TooManyKeys => false,
    }
}

fn digest(stored: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, stored).as_ref());
    digest
}

/// Writes `next`. Returns `false` if another instance wrote first.
fn write(settings: &RingSettings, keys: &mut Keys, next: Vec<RingKey>) -> Result<bool, RotationError> {
    let encoded = zeroize::Zeroizing::new(encoding::encode(&next, &settings.issuer, settings.store_key.as_ref())?);
    let is_written = settings.store.replace_keys(keys.version, &encoded)?;
    if is_written {
        let (version, usable_until) = (keys.version.saturating_add(1), keys.usable_until);
        *keys = Keys { current: next, version, digest: digest(&encoded), is_advanced: false, usable_until };
    }
    Ok(is_written)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("algorithm", &self.settings.algorithm).finish_non_exhaustive()
    }
}
