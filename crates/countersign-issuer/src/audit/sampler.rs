//! Sampling of events that untrusted clients, or an outage, can cause any number of times.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Logged refusals per second and status.
const REFUSALS_PER_SECOND: u64 = 10;

/// Logged events of an outage per second.
const OUTAGE_PER_SECOND: u64 = 1;

/// Admits a limited number of events per second, and counts the others.
#[derive(Debug)]
pub(crate) struct Sampler {
    per_second: u64,
    second: AtomicU64,
    seen: AtomicU64,
    unlogged: AtomicU64,
}

impl Sampler {
    const fn new(per_second: u64) -> Self {
        Sampler { per_second, second: AtomicU64::new(0), seen: AtomicU64::new(0), unlogged: AtomicU64::new(0) }
    }

    /// A sampler of the failures during an outage.
    pub(crate) const fn of_outages() -> Self {
        Sampler::new(OUTAGE_PER_SECOND)
    }

    /// The number of events not logged since the last one, if this event is to be logged.
    pub(crate) fn admit(&self, elapsed: Duration) -> Option<u64> {
        let second = elapsed.as_secs();
        // A late reading of an earlier second starts no new count.
        if self.second.fetch_max(second, Ordering::Relaxed) < second {
            self.seen.store(0, Ordering::Relaxed);
        }
        if self.seen.fetch_add(1, Ordering::Relaxed) < self.per_second {
            return Some(self.unlogged.swap(0, Ordering::Relaxed));
        }
        self.unlogged.fetch_add(1, Ordering::Relaxed);
        None
    }
}

/// A sampler for each status of refusals, so that a flood of one does not hide another.
#[derive(Debug)]
pub(crate) struct Refusals {
    by_status: [Sampler; 3],
    unavailable: Sampler,
    presented_tokens: Sampler,
}

impl Default for Refusals {
    fn default() -> Self {
        Refusals {
            by_status: [const { Sampler::new(REFUSALS_PER_SECOND) }; 3],
            unavailable: Sampler::of_outages(),
            presented_tokens: Sampler::new(REFUSALS_PER_SECOND),
        }
    }
}

impl Refusals {
    pub(crate) fn of_status(&self, status: u16) -> &Sampler {
        let [unauthenticated, throttled, other] = &self.by_status;
        match status {
            401 => unauthenticated,
            429 => throttled,
            500.. => &self.unavailable,
            _ => other,
        }
    }

    /// Presented tokens, and assertions of other issuers.
    pub(crate) fn of_presented_tokens(&self) -> &Sampler {
        &self.presented_tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_sampled_and_counted() {
        let refusals = Refusals::default();
        let logged = |status, second| {
            let admit = |_| refusals.of_status(status).admit(Duration::from_secs(second));
            (0..1000).filter_map(admit).collect::<Vec<_>>()
        };
        assert_eq!(logged(401, 5), [0; 10]);
        assert_eq!(logged(400, 5), [0; 10], "another status");
        assert_eq!(logged(401, 6)[0], 990);
        assert_eq!((logged(503, 6), logged(503, 7)), (vec![0], vec![999]));
    }
}
