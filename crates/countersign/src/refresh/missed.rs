//! The keys that callers miss, as hashes: asked for since the last forced fetch, or looked for by it in vain.

use std::collections::{HashMap, HashSet};

/// The number of keys remembered in either list.
const MAX_REMEMBERED: usize = 256;

/// Distinguishes a new key, which many requests ask for, from invented ones.
#[derive(Default)]
pub(super) struct Missed {
    asked: HashMap<u64, u32>,
    absent: HashSet<u64>,
    last_start: u64,
    last_success: u64,
}

/// A caller's request for a newer value.
#[derive(Clone, Copy)]
pub(super) struct Request {
    /// Callers asked for the same key before, and no fetch has looked for it.
    pub(super) is_repeated: bool,
    /// The number of fetches before. A forced fetch with a higher number answers the request.
    pub(super) fetches_before: u64,
}

impl Request {
    /// A request for any usable value.
    pub(super) const ANY: Request = Request { is_repeated: false, fetches_before: 0 };
}

impl Missed {
    /// Counts a request for `key`. Returns whether it is a repeated one, and no fetch has looked for the key.
    pub(super) fn record(&mut self, key: u64) -> bool {
        if self.absent.contains(&key) {
            return false;
        }
        if self.asked.len() >= MAX_REMEMBERED && !self.asked.contains_key(&key) {
            self.asked.retain(|_, count| *count > 1); // invented keys are rarely asked for twice
            if self.asked.len() >= MAX_REMEMBERED {
                self.asked = HashMap::new();
            }
        }
        let count = self.asked.entry(key).or_default();
        *count = count.saturating_add(1);
        *count > 1
    }

    /// Records the start of a forced fetch, by its number. It looks for all keys asked for until now.
    pub(super) fn start(&mut self, fetch: u64) {
        self.last_start = fetch;
        // New maps: a flood of invented keys at many sources must leave no memory behind.
        let asked = std::mem::take(&mut self.asked);
        if self.absent.len() + asked.len() > MAX_REMEMBERED {
            self.absent = HashSet::new();
        }
        self.absent.extend(asked.into_keys());
    }

    /// Records the success of a fetch, forced or not.
    pub(super) fn succeeded(&mut self, fetch: u64) {
        if fetch == self.last_start {
            self.last_success = fetch;
        }
    }

    /// Records that a fetch failed or was cancelled: it looked for no key.
    pub(super) fn failed(&mut self) {
        self.absent = HashSet::new();
    }

    /// The latest forced fetch.
    pub(super) fn last_start(&self) -> u64 {
        self.last_start
    }

    /// The latest forced fetch that succeeded.
    pub(super) fn last_success(&self) -> u64 {
        self.last_success
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4_15_a_key_counts_from_its_second_request_until_a_fetch_has_looked_for_it() {
        let mut missed = Missed::default();
        assert_eq!([1, 2, 1, 1, 2].map(|key| missed.record(key)), [false, false, true, true, true]);
        missed.start(1);
        assert_eq!([1, 1, 2, 3, 3].map(|key| missed.record(key)), [false, false, false, false, true]);
        missed.failed();
        assert_eq!([1, 1].map(|key| missed.record(key)), [false, true], "the fetch failed");
    }

    #[test]
    fn s4_15_only_the_latest_forced_fetch_answers_who_misses_a_key() {
        let mut missed = Missed::default();
        missed.start(3);
        missed.succeeded(4);
        assert_eq!((missed.last_start(), missed.last_success()), (3, 0), "not forced: caches may have answered it");
        missed.succeeded(3);
        assert_eq!(missed.last_success(), 3);
    }

    #[test]
    fn s4_15_keys_that_were_looked_for_are_bounded() {
        let mut missed = Missed::default();
        for fetch in 1..=10 {
            (0..MAX_REMEMBERED as u64 / 2 + 1).for_each(|key| {
                missed.record(fetch * 1_000 + key);
            });
            missed.start(fetch);
            assert!((1..=MAX_REMEMBERED).contains(&missed.absent.len()), "{}", missed.absent.len());
        }
    }

    #[test]
    fn s4_15_invented_keys_are_bounded_and_displace_no_key_asked_for_twice() {
        let mut missed = Missed::default();
        assert_eq!([1, 1].map(|key| missed.record(key)), [false, true]);
        for key in 2..10_000 {
            missed.record(key);
            assert!(missed.asked.len() <= MAX_REMEMBERED);
        }
        assert!(missed.record(1));
        (0..10).for_each(|fetch| missed.start(fetch));
        assert!(missed.absent.len() <= MAX_REMEMBERED);
        missed.failed();
        assert_eq!((missed.asked.capacity(), missed.absent.capacity()), (0, 0), "nothing is left in memory");
    }
}
