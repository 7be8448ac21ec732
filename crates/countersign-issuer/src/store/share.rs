//! The places of a list: the share of each client, and when expired ids are removed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_core::clock::{Clock, UnixTime};
use countersign_core::integration::{SweepTime, fair_share};

use super::IdList;

/// Returns whether `client` may store another id, given the ids of the list and its own: it has a share of the list, as in
/// the budgets of `countersign-core`. The issuer itself, an empty name, has the whole list.
pub(super) fn has_room(client: &str, max: u64, total: u64, own: u64) -> bool {
    let free = max.saturating_sub(total);
    if client.is_empty() { free > 0 } else { fair_share(free, own) }
}

/// Remembers up to when expired ids were removed, so that a full list is not searched for each refused id.
#[derive(Default)]
pub(super) struct Sweeps(Mutex<HashMap<IdList, UnixTime>>);

impl Sweeps {
    /// Returns whether ids may have expired since the last sweep of the list.
    pub(super) fn is_due(&self, list: IdList, expired_before: UnixTime) -> bool {
        let swept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Also after a sweep by a clock that was ahead.
        swept.get(&list).is_none_or(|swept| swept.as_secs() != expired_before.as_secs())
    }

    pub(super) fn done(&self, list: IdList, expired_before: UnixTime) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(list, expired_before);
    }
}

/// The room for revocations.
#[derive(Clone, Copy)]
pub(super) struct Room<'r> {
    pub(super) max: u64,
    pub(super) expired_before: UnixTime,
    pub(super) sweeps: &'r Sweeps,
}

impl Room<'_> {
    /// Returns whether revocations may be over that are not removed yet.
    pub(super) fn is_sweep_due(&self) -> bool {
        self.sweeps.is_due(IdList::RevokedTokens, self.expired_before)
    }

    pub(super) fn swept(&self) {
        self.sweeps.done(IdList::RevokedTokens, self.expired_before);
    }
}

/// The time by which ids are removed, in whole seconds, as the stores keep them.
#[derive(Debug)]
pub(super) struct ExpiryClock {
    clock: Arc<dyn Clock>,
    swept_by: SweepTime,
}

impl ExpiryClock {
    /// Takes the first reading, which later ones are compared with.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let expiry = ExpiryClock { clock, swept_by: SweepTime::default() };
        expiry.now();
        expiry
    }

    pub(super) fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.swept_by.read(&*self.clock).as_secs())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use countersign_test::ManualClock;

    use super::*;

    #[test]
    fn s15_01_one_client_takes_half_and_every_other_finds_room() {
        let fill = |clients: &[&str]| {
            let mut counts = HashMap::new();
            for _ in 0..200 {
                for client in clients {
                    let own = counts.get(client).copied().unwrap_or(0);
                    if has_room(client, 120, counts.values().sum(), own) {
                        *counts.entry(*client).or_default() += 1;
                    }
                }
            }
            clients.iter().map(|client| counts[client]).collect::<Vec<u64>>()
        };
        assert_eq!(fill(&["a"]), [60]);
        assert_eq!(fill(&["a", "b"]), [40, 40]);
        assert_eq!(fill(&["a", "b", "c"]), [30, 30, 30]);
        assert_eq!(fill(&[""]), [120], "the issuer itself has no share");
    }

    #[test]
    fn s15_01_a_full_list_is_searched_once_a_second() {
        let (sweeps, list) = (Sweeps::default(), IdList::UsedAssertions);
        let at = UnixTime::from_secs;
        assert!(sweeps.is_due(list, at(100)));
        sweeps.done(list, at(100));
        assert!(!sweeps.is_due(list, at(100)), "each refused id would cost a search");
        assert!(sweeps.is_due(list, at(101)));
        assert!(sweeps.is_due(list, at(99)), "the clock was ahead, and may have been for years");
        assert!(sweeps.is_due(IdList::RevokedTokens, at(100)), "another list");
    }

    #[test]
    fn a_clock_that_was_set_ahead_removes_nothing_early() {
        let start = UnixTime::from_secs(1_700_000_000);
        let clock = ManualClock::new(start);
        let expiry = ExpiryClock::new(Arc::new(clock.clone()));
        let hour = Duration::from_secs(3600);
        clock.step_wall(start.saturating_add(hour * 24));
        assert_eq!(expiry.now(), start);
        clock.advance(hour / 2);
        assert_eq!(expiry.now(), start.saturating_add(hour / 2));
        clock.advance(hour);
        assert_eq!(expiry.now(), start.saturating_add(hour * 3 / 2), "the reading before still counts");
        clock.advance(hour);
        assert_eq!(expiry.now(), start.saturating_add(hour * 24 + hour * 5 / 2), "then the new time is believed");
        clock.step_wall(start);
        assert_eq!(expiry.now(), start, "a clock that is set back is believed at once");
    }
}
