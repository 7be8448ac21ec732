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

#[derive(Clone, Copy)]
struct Slot {
    key: u64,
    since: Duration,
    failures: u32,
}

impl Slot {
    /// The end of the window, after which its failures count no more.
    fn end(&self) -> Duration {
        self.since.saturating_add(WINDOW)
    }

    fn is_current(&self, now: Duration) -> bool {
        now < self.end()
    }
}

/// Recent failures of up to 8,192 keys, in about 200 KiB.
pub(crate) struct Throttle {
    hasher: RandomState,
    sets: Box<[Mutex<[Option<Slot>; WAYS]>]>,
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Throttle { hasher: RandomState::new(), sets: (0..SETS).map(|_| Mutex::default()).collect() }
    }

    /// The time that `key` must wait, if any.
    pub(crate) fn wait(&self, key: &impl Hash, now: Duration) -> Option<Duration> {
        let slot = self.slot(key).filter(|slot| slot.is_current(now) && slot.failures >= MAX_FAILURES)?;
        slot.end().checked_sub(now)
    }

    /// Returns whether `key` has failed within the window.
    pub(crate) fn has_failed(&self, key: &impl Hash, now: Duration) -> bool {
        self.slot(key).is_some_and(|slot| slot.is_current(now))
    }

    /// Counts a failure. In a full set it replaces the key with the fewest failures, so that a flood of new keys evicts other
    /// new keys first.
    pub(crate) fn failed(&self, key: &impl Hash, now: Duration) {
        let key = self.hasher.hash_one(key);
        let Some(set) = self.set(key) else { return };
        let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
        for place in set.iter_mut() {
            *place = place.filter(|slot| slot.is_current(now));
        }
        if let Some(known) = set.iter_mut().flatten().find(|slot| slot.key == key) {
            known.failures = known.failures.saturating_add(1);
        } else if let Some(place) = set.iter_mut().min_by_key(|place| place.map(|slot| slot.failures)) {
            *place = Some(Slot { key, since: now, failures: 1 }); // a free place is the lowest one
        }
    }

    fn slot(&self, key: &impl Hash) -> Option<Slot> {
        let key = self.hasher.hash_one(key);
        let set = self.set(key)?.lock().unwrap_or_else(PoisonError::into_inner);
        set.iter().flatten().find(|slot| slot.key == key).copied()
    }

    fn set(&self, key: u64) -> Option<&Mutex<[Option<Slot>; WAYS]>> {
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
    fn s8_27_failures_count_for_ten_seconds() {
        let throttle = Throttle::new();
        let start = Duration::from_secs(100);
        throttle.failed(&"orders", start);
        assert!(throttle.has_failed(&"orders", start + WINDOW - Duration::from_millis(1)));
        let later = start + WINDOW;
        assert!(!throttle.has_failed(&"orders", later), "a wrong secret that has become right is checked again");
        for _ in 0..9 {
            throttle.failed(&"orders", later);
        }
        assert_eq!(throttle.wait(&"orders", later), None, "nine in this window");
        throttle.failed(&"orders", later);
        assert_eq!(throttle.wait(&"orders", later), Some(WINDOW));
        assert_eq!(throttle.wait(&"orders", later + WINDOW - Duration::from_secs(1)), Some(Duration::from_secs(1)));
    }

    #[test]
    fn s8_27_keys_of_one_set_are_counted_apart() {
        let throttle = Throttle::new();
        let now = Duration::from_secs(100);
        let set_of = |key: &u32| throttle.hasher.hash_one(key) % SETS as u64;
        let mut keys = (0_u32..).filter(|key| set_of(key) == set_of(&0));
        let [first, second, third] = [(); 3].map(|()| keys.next().expect("a key"));
        throttle.failed(&first, now);
        for _ in 0..10 {
            throttle.failed(&second, now);
        }
        assert_eq!((throttle.wait(&first, now), throttle.wait(&second, now)), (None, Some(WINDOW)));
        assert_eq!((throttle.wait(&third, now), throttle.has_failed(&third, now)), (None, false));
        // The set is full. A newcomer takes the place of who has failed the fewest times.
        for key in keys.take(20) {
            throttle.failed(&key, now);
            assert!(throttle.has_failed(&key, now));
        }
        assert_eq!((throttle.has_failed(&first, now), throttle.wait(&second, now)), (false, Some(WINDOW)));
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
