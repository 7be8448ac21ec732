//! A memory of how often client ids were asked for lately.

use std::collections::HashMap;
use std::time::Duration;

/// The ids after which the older half of the memory is forgotten: a client that tries again each second is remembered during
/// 30,000 invented ids a second.
const MAX_IDS: usize = 32_768;

/// The time after which the older half of the memory is forgotten.
const REMEMBER_FOR: Duration = Duration::from_secs(60);

/// The number of requests for ids that got no check, in at most some 2 MiB.
#[derive(Default)]
pub(super) struct Asked {
    recent: HashMap<u64, u32>,
    before: HashMap<u64, u32>,
    since: Duration,
}

impl Asked {
    /// Counts a request and returns the number of requests, with this one.
    pub(super) fn count(&mut self, id: u64, elapsed: Duration) -> u32 {
        if self.recent.len() >= MAX_IDS || elapsed >= self.since.saturating_add(REMEMBER_FOR) {
            self.before = std::mem::take(&mut self.recent);
            self.since = elapsed;
        }
        let before = self.before.remove(&id).unwrap_or_default();
        let count = self.recent.entry(id).or_insert(before);
        *count = count.saturating_add(1);
        *count
    }

    /// Forgets an id that gets its check.
    pub(super) fn forget(&mut self, id: u64) {
        self.recent.remove(&id);
        self.before.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn s15_01_who_asks_each_second_is_remembered_during_a_flood_in_bounded_memory() {
        let mut asked = Asked::default();
        for second in 0..10 {
            assert_eq!(asked.count(0, SECOND * second), second + 1);
            for n in 0..30_000 {
                asked.count(u64::from(second) * 30_000 + n + 1, SECOND * second);
            }
            assert!(asked.recent.len() + asked.before.len() <= 2 * MAX_IDS);
        }
        asked.forget(0);
        assert_eq!(asked.count(0, SECOND * 10), 1);
    }

    #[test]
    fn an_id_is_forgotten_when_nobody_asks_for_it() {
        let mut asked = Asked::default();
        for at in [0, 59, 118] {
            asked.count(1, SECOND * at);
        }
        assert_eq!(asked.count(1, SECOND * 119), 4);
        asked.count(2, SECOND * 180);
        asked.count(2, SECOND * 241);
        assert_eq!(asked.count(1, SECOND * 242), 1);
    }
}
