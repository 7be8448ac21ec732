//! The bound on fetches that missing keys cause, over all sources of the process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use countersign_core::clock::{Clock, ClockId};
use countersign_core::integration::{RankedQueue, RateBudget, Standing};

use crate::telemetry::KeySamples;

/// The number of such fetches per second in this process.
const MAX_FORCED_PER_SECOND: u32 = 30;

/// The number of such fetches per second from one host.
const MAX_FORCED_PER_HOST: u32 = 10;

/// The number of first fetches per second, of issuers that are resolved at run time.
const MAX_FIRST_PER_SECOND: u32 = 200;

/// The time in which fetches are counted.
const WINDOW: Duration = Duration::from_secs(1);

/// The number of sources that wait for a fetch.
const MAX_WAITING: usize = 4096;

/// The time that a source is remembered after the last request for it, and that a permitted fetch may begin.
const REMEMBER_FOR: Duration = Duration::from_secs(5);

/// The limits in use, one for each clock: nearly always one, for the system clock.
static LIMITS: Mutex<Vec<(ClockId, Weak<FetchLimit>)>> = Mutex::new(Vec::new());

/// Permits fetches: first for sources whose last one brought new keys, then for those that most requests ask for.
pub(super) struct FetchLimit {
    budget: RateBudget,
    first: RateBudget,
    waiting: Mutex<Waiting>,
    /// Bounds what these sources log.
    pub(super) samples: KeySamples,
}

struct Waiting {
    queue: RankedQueue<()>,
    /// Sources whose turn came while another one asked, with the end of that permission.
    permitted: HashMap<Arc<str>, Duration>,
}

impl FetchLimit {
    /// The limit of this process for sources with this clock.
    pub(super) fn of_process(clock: &dyn Clock) -> Arc<Self> {
        let mut limits = LIMITS.lock().unwrap_or_else(PoisonError::into_inner);
        limits.retain(|(_, limit)| limit.strong_count() > 0);
        let known = limits.iter().find(|(id, _)| *id == clock.id()).and_then(|(_, limit)| limit.upgrade());
        known.unwrap_or_else(|| {
            let limit = Arc::new(Self::new());
            limits.push((clock.id(), Arc::downgrade(&limit)));
            limit
        })
    }

    fn new() -> Self {
        let queue = RankedQueue::new(MAX_WAITING, REMEMBER_FOR);
        FetchLimit {
            budget: RateBudget::new(MAX_FORCED_PER_SECOND, WINDOW).share(MAX_FORCED_PER_HOST),
            first: RateBudget::new(MAX_FIRST_PER_SECOND, WINDOW),
            waiting: Mutex::new(Waiting { queue, permitted: HashMap::new() }),
            samples: KeySamples::default(),
        }
    }

    /// Permits a fetch of `source`, which has no usable keys.
    ///
    /// # Errors
    /// The time until the next attempt makes sense.
    pub(super) fn admit_first(&self, source: &str, elapsed: Duration) -> Result<(), Duration> {
        self.first.spend(source, Standing::Known, elapsed).map(drop).map_err(|over| over.retry_after)
    }

    /// Permits a fetch of `source` from `host`.
    ///
    /// # Errors
    /// The time until the next attempt makes sense.
    pub(super) fn admit(&self, host: &str, source: &str, is_fruitful: bool, elapsed: Duration) -> Result<(), Duration> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Waiting { queue, permitted } = &mut *waiting;
        permitted.retain(|_, until| elapsed <= *until);
        if permitted.remove(source).is_some() {
            return Ok(());
        }
        let standing = if is_fruitful { Standing::Known } else { Standing::New };
        queue.request(host, source, standing, elapsed, ());
        while let Some((next, ())) = queue.grant(&self.budget, elapsed) {
            if *next == *source {
                return Ok(());
            }
            permitted.insert(next, elapsed.saturating_add(REMEMBER_FOR));
        }
        Err(self.budget.check(elapsed).map_or_else(|over| over.retry_after, |()| WINDOW))
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::clock::SystemClock;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn s15_04_four_hundred_sources_share_the_limit_and_one_that_is_asked_for_twice_goes_first() {
        let limit = FetchLimit::new();
        let permitted = |elapsed| {
            let admits = |n| limit.admit(&format!("host-{}", n % 40), &format!("source-{n}"), false, elapsed).is_ok();
            (0..400).filter(|n| admits(*n)).count()
        };
        assert_eq!(permitted(SECOND), 15, "half of the limit, for sources that are asked for once");
        assert!(limit.admit("other", "tenant", false, SECOND).is_err());
        assert!(limit.admit("other", "tenant", false, SECOND).is_ok());
        let total: usize = (1..60).map(|tenth| permitted(SECOND + SECOND * tenth / 10)).sum();
        assert!(total <= 7 * MAX_FORCED_PER_SECOND as usize, "{total}");
        assert!(limit.admit("other", "tenant", true, SECOND * 8).is_ok(), "it brought new keys before");
    }

    #[test]
    fn s15_04_one_host_leaves_room_for_the_others() {
        let limit = FetchLimit::new();
        for _ in 0..3 {
            (0..400).for_each(|n| {
                let _ = limit.admit("busy", &format!("source-{n}"), true, SECOND);
            });
        }
        let used = limit.waiting.lock().expect("sound").permitted.len();
        assert!(used <= MAX_FORCED_PER_HOST as usize, "{used}");
        assert!((0..9).all(|n| limit.admit("quiet", &format!("tenant-{n}"), true, SECOND).is_ok()));
    }

    #[test]
    fn s15_04_a_permission_that_was_not_used_ends() {
        let limit = FetchLimit::new();
        let now = SECOND * 10;
        (0..MAX_FORCED_PER_SECOND).for_each(|n| {
            assert!(limit.admit(&format!("host-{n}"), &format!("source-{n}"), true, now).is_ok());
        });
        for (until, is_permitted) in [(now, true), (now - Duration::from_nanos(1), false)] {
            limit.waiting.lock().expect("sound").permitted.insert("late".into(), until);
            assert_eq!(limit.admit("other", "late", false, now).is_ok(), is_permitted, "{until:?}");
            assert!(limit.waiting.lock().expect("sound").permitted.is_empty(), "it takes no memory");
        }
    }

    #[test]
    fn sources_with_one_clock_share_a_limit() {
        let (one, other) = (FetchLimit::of_process(&SystemClock), FetchLimit::of_process(&SystemClock));
        assert!(Arc::ptr_eq(&one, &other));
        let fixed = countersign_core::clock::FixedClock::new(countersign_core::clock::UnixTime::from_secs(5));
        assert!(!Arc::ptr_eq(&one, &FetchLimit::of_process(&fixed)));
    }
}
