//! Rate limiting of failed client authentications, by any key, in a fixed amount of memory.

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The failures within one window after which a key must wait.
const MAX_FAILURES: u32 = 10;

/// The time in which failures are counted, which is also the longest wait.
const WINDOW: Duration = Duration::from_secs(10);

/// The number of sets. The hash of a key selects its set.
const SETS: usize = 2048;

/// The slots of one set.
const WAYS: usize = 4;

#[derive(Clone, Copy, Default)]
struct Slot {
    key: u64,
    since: Duration,
    failures: u32,
}

/// Recent failures of up to 8,192 keys, in about 200 KiB.
pub(crate) struct Throttle {
    hasher: RandomState,
    sets: Box<[Mutex<[Slot; WAYS]>]>,
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Throttle { hasher: RandomState::new(), sets: (0..SETS).map(|_| Mutex::default()).collect() }
    }

    /// The time that `key` must wait, if any.
    pub(crate) fn wait(&self, key: &impl Hash, now: Duration) -> Option<Duration> {
        let slot = self.slot(key)?;
        let wait = slot.since.saturating_add(WINDOW).checked_sub(now).filter(|wait| !wait.is_zero());
        wait.filter(|_| slot.failures >= MAX_FAILURES)
    }

    /// Returns whether `key` has failed within the window.
    pub(crate) fn has_failed(&self, key: &impl Hash, now: Duration) -> bool {
        self.slot(key).is_some_and(|slot| now < slot.since.saturating_add(WINDOW))
    }

    /// Counts a failure. In a full set it replaces the key with the fewest failures, so that a flood of new keys evicts other
    /// new keys first.
    pub(crate) fn failed(&self, key: &impl Hash, now: Duration) {
        let key = self.hasher.hash_one(key);
        let Some(set) = self.set(key) else { return };
        let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
        for slot in set.iter_mut().filter(|slot| slot.since.saturating_add(WINDOW) <= now) {
            slot.failures = 0;
        }
        let known = set.iter().position(|slot| slot.key == key && slot.failures > 0);
        let index = known.or_else(|| (0..WAYS).min_by_key(|index| set.get(*index).map(|slot| slot.failures)));
        let Some(slot) = index.and_then(|index| set.get_mut(index)) else { return };
        if known.is_none() {
            *slot = Slot { key, since: now, failures: 0 };
        }
        slot.failures = slot.failures.saturating_add(1);
    }

    fn slot(&self, key: &impl Hash) -> Option<Slot> {
        let key = self.hasher.hash_one(key);
        let set = self.set(key)?.lock().unwrap_or_else(PoisonError::into_inner);
        set.iter().find(|slot| slot.key == key && slot.failures > 0).copied()
    }

    fn set(&self, key: u64) -> Option<&Mutex<[Slot; WAYS]>> {
        let index = usize::try_from(key % u64::try_from(SETS).ok()?).ok()?;
        self.sets.get(index)
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "127.0.0.1";

    #[test]
    fn s8_27_after_ten_failures_only_that_client_and_address_wait() {
        let throttle = Throttle::new();
        let now = Duration::from_secs(100);
        for _ in 0..10 {
            assert_eq!(throttle.wait(&("orders", HERE), now), None);
            throttle.failed(&("orders", HERE), now);
        }
        assert_eq!(throttle.wait(&("orders", HERE), now), Some(WINDOW));
        assert_eq!(throttle.wait(&("billing", HERE), now), None);
        assert_eq!(throttle.wait(&("orders", "127.0.0.2"), now), None);
        assert_eq!(throttle.wait(&("orders", HERE), now + WINDOW), None, "after the window it may try again");
        throttle.failed(&("orders", HERE), now + WINDOW);
        assert_eq!(throttle.wait(&("orders", HERE), now + WINDOW), None);
    }

    #[test]
    fn s8_27_a_million_ids_take_no_more_memory_and_release_no_waiting_client() {
        let throttle = Throttle::new();
        let now = Duration::from_secs(100);
        (0..10).for_each(|_| throttle.failed(&("orders", HERE), now));
        (0..1_000_000).for_each(|n: u32| throttle.failed(&(format!("nobody-{n}"), HERE), now));
        assert_eq!(throttle.sets.len() * WAYS, 8192);
        assert!(throttle.wait(&("orders", HERE), now).is_some());
    }
}
