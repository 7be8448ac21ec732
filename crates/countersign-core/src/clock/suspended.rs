//! The time for which the machine was suspended.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The time for which the machine was suspended since it started, measured at most once in each second.
///
/// The coarse clock stands still meanwhile, and the clock that goes on has no coarse form: reading it for each token would
/// double the cost of one from the cache.
#[derive(Debug)]
pub(super) struct Suspended {
    /// Whole seconds, then 30 bits of nanoseconds: an addition without a division, and the larger number is the longer time.
    total: AtomicU64,
    /// The second of the last measurement.
    measured_in: AtomicU64,
}

impl Suspended {
    pub(super) const fn new() -> Self {
        Suspended { total: AtomicU64::new(0), measured_in: AtomicU64::new(u64::MAX) }
    }

    /// `running`, a reading of the clock that stands still, with the suspended time added. It never goes back.
    pub(super) fn added_to(&self, running: Duration, measure: impl FnOnce() -> Duration) -> Duration {
        if self.measured_in.load(Ordering::Relaxed) != running.as_secs() {
            self.update(running.as_secs(), measure());
        }
        match self.total.load(Ordering::Relaxed) {
            0 => running, // a server
            total => running.saturating_add(unpacked(total)),
        }
    }

    #[cold]
    fn update(&self, second: u64, measured: Duration) {
        // A measurement errs only downwards.
        self.total.fetch_max(packed(measured), Ordering::Relaxed);
        self.measured_in.store(second, Ordering::Relaxed);
    }
}

const NANOS_BITS: u32 = 30; // 10^9 is less than 2^30

fn packed(time: Duration) -> u64 {
    (time.as_secs() << NANOS_BITS) | u64::from(time.subsec_nanos())
}

fn unpacked(packed: u64) -> Duration {
    let nanos = u32::try_from(packed & ((1 << NANOS_BITS) - 1)).unwrap_or_default(); // 30 bits
    Duration::new(packed >> NANOS_BITS, nanos)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::Suspended;

    #[test]
    fn s4_07_s15_10_suspended_time_counts_within_a_second_and_is_never_taken_back() {
        let seconds = Duration::from_secs;
        let (suspended, measured) = (Suspended::new(), Cell::new(0));
        let read = |running: Duration, actual: Duration| {
            suspended.added_to(running, || {
                measured.set(measured.get() + 1);
                actual
            })
        };
        assert_eq!(read(seconds(0), seconds(5)), seconds(5), "also the first second counts");
        assert_eq!(read(Duration::from_millis(900), seconds(5)), Duration::from_millis(5_900));
        assert_eq!(measured.get(), 1);
        // A night's sleep.
        assert_eq!(read(seconds(1), seconds(30_005)), seconds(30_006));
        assert_eq!(read(seconds(2), seconds(30_004)), seconds(30_007), "a measurement that came out short");
        assert_eq!(measured.get(), 3);
    }
}
