//! Slowing down who guesses: failures counted by client and address, in memory that never grows (S8.27).

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The failures within a window after which a client at an address must wait.
const MAX_FAILURES: u32 = 10;

/// The time in which failures are counted, and the longest wait.
const WINDOW: Duration = Duration::from_secs(10);

/// Sets of slots; a pair belongs to one of them by its hash.
const SETS: usize = 2048;

/// Slots of a set.
const WAYS: usize = 4;

#[derive(Clone, Copy, Default)]
struct Slot {
    pair: u64,
    since: Duration,
    failures: u32,
}

/// Failed attempts of late: 8,192 pairs of client and address, about 200 KiB, however many come.
pub(crate) struct Throttle {
    hasher: RandomState,
    sets: Box<[Mutex<[Slot; WAYS]>]>,
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Throttle { hasher: RandomState::new(), sets: (0..SETS).map(|_| Mutex::default()).collect() }
    }

    /// How long `client` at `peer` must wait, if it must. The same for names that nobody has.
    pub(crate) fn wait(&self, client: &str, peer: Option<IpAddr>, now: Duration) -> Option<Duration> {
        let pair = self.hasher.hash_one((client, peer));
        let set = self.set(pair)?.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = set.iter().find(|slot| slot.pair == pair && slot.failures >= MAX_FAILURES)?;
        slot.since.saturating_add(WINDOW).checked_sub(now).filter(|wait| !wait.is_zero())
    }

    /// Counts a failure. Where its set is full, the pair with the fewest failures makes room, so that a flood of new names
    /// forgets other new names first.
    pub(crate) fn failed(&self, client: &str, peer: Option<IpAddr>, now: Duration) {
        let pair = self.hasher.hash_one((client, peer));
        let Some(set) = self.set(pair) else { return };
        let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
        for slot in set.iter_mut().filter(|slot| slot.since.saturating_add(WINDOW) <= now) {
            slot.failures = 0;
        }
        let held = set.iter().position(|slot| slot.pair == pair && slot.failures > 0);
        let index = held.or_else(|| (0..WAYS).min_by_key(|index| set.get(*index).map(|slot| slot.failures)));
        let Some(slot) = index.and_then(|index| set.get_mut(index)) else { return };
        if held.is_none() {
            *slot = Slot { pair, since: now, failures: 0 };
        }
        slot.failures = slot.failures.saturating_add(1);
    }

    fn set(&self, pair: u64) -> Option<&Mutex<[Slot; WAYS]>> {
        let index = usize::try_from(pair % u64::try_from(SETS).ok()?).ok()?;
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

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    #[test]
    fn s8_27_ten_failures_make_the_eleventh_wait_and_nobody_else() {
        let throttle = Throttle::new();
        let now = Duration::from_secs(100);
        for _ in 0..10 {
            assert_eq!(throttle.wait("orders", HERE, now), None);
            throttle.failed("orders", HERE, now);
        }
        assert_eq!(throttle.wait("orders", HERE, now), Some(WINDOW));
        assert_eq!(throttle.wait("billing", HERE, now), None);
        assert_eq!(throttle.wait("orders", None, now), None);
        assert_eq!(throttle.wait("orders", HERE, now + WINDOW), None, "in time it may try again");
        throttle.failed("orders", HERE, now + WINDOW);
        assert_eq!(throttle.wait("orders", HERE, now + WINDOW), None);
    }

    #[test]
    fn s8_27_a_million_names_take_no_more_memory_and_do_not_free_who_must_wait() {
        let throttle = Throttle::new();
        let now = Duration::from_secs(100);
        (0..10).for_each(|_| throttle.failed("orders", HERE, now));
        (0..1_000_000).for_each(|n: u32| throttle.failed(&format!("nobody-{n}"), HERE, now));
        assert_eq!(throttle.sets.len() * WAYS, 8192);
        assert!(throttle.wait("orders", HERE, now).is_some());
    }
}
