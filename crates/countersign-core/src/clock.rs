//! Time as this crate sees it: given from outside, never taken from the machine by itself.

use std::fmt::Debug;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[cfg(target_os = "linux")]
use rustix::time::ClockId;

/// A point in time, counted from 1970-01-01T00:00:00Z; JSON's `NumericDate` (RFC 7519 §2).
///
/// Never negative, and no arithmetic on it wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixTime(Duration);

impl UnixTime {
    /// The last second of the year 9999; claims beyond it are malformed (they are milliseconds, or an attack).
    pub const MAX: UnixTime = UnixTime(Duration::from_secs(253_402_300_799));

    /// The point `seconds` after 1970.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        UnixTime(Duration::from_secs(seconds))
    }

    /// Reads a JSON number of seconds; fractions are kept, so that nothing is rounded in the token's favour.
    ///
    /// `None` for anything outside 1970 to 9999.
    #[must_use]
    pub fn from_numeric_date(seconds: f64) -> Option<Self> {
        let in_range = (0.0..=253_402_300_799.0).contains(&seconds);
        in_range.then(|| UnixTime(Duration::from_secs_f64(seconds)))
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0.as_secs()
    }

    /// This time and `later`; stays at the largest value instead of wrapping.
    #[must_use]
    pub const fn saturating_add(self, later: Duration) -> Self {
        UnixTime(self.0.saturating_add(later))
    }

    /// This time less `earlier`; stays at 1970 instead of wrapping.
    #[must_use]
    pub const fn saturating_sub(self, earlier: Duration) -> Self {
        UnixTime(self.0.saturating_sub(earlier))
    }

    /// How long after `earlier` this is; zero where it is before.
    #[must_use]
    pub const fn saturating_since(self, earlier: UnixTime) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl From<SystemTime> for UnixTime {
    fn from(time: SystemTime) -> Self {
        UnixTime(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

/// Where the time comes from; tests and replays bring their own.
pub trait Clock: Send + Sync + Debug + 'static {
    /// The wall clock: judges `exp`, `nbf`, `iat`.
    fn now(&self) -> UnixTime;

    /// Time passed since some fixed point, never going back: judges ages of keys and cache entries.
    fn elapsed(&self) -> Duration;
}

/// The machine's clocks.
///
/// On Linux their coarse readings, which are a few milliseconds behind at most and cost a tenth: a token that was seen before
/// is judged in less time than two precise readings take.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[cfg(target_os = "linux")]
impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        UnixTime(coarse(ClockId::RealtimeCoarse))
    }

    fn elapsed(&self) -> Duration {
        coarse(ClockId::MonotonicCoarse)
    }
}

#[cfg(target_os = "linux")]
fn coarse(clock: ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    // Before 1970 reads as 1970; nanoseconds are below 10^9.
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(not(target_os = "linux"))]
impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        std::time::SystemTime::now().into()
    }

    fn elapsed(&self) -> Duration {
        use std::sync::OnceLock;
        use std::time::Instant;
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}

/// A clock that stands still, for replaying a decision at a given time.
///
/// ```
/// use countersign_core::clock::{Clock, FixedClock, UnixTime};
///
/// let clock = FixedClock::at(UnixTime::from_secs(1_700_000_000));
/// assert_eq!(clock.now().as_secs(), 1_700_000_000);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(UnixTime);

impl FixedClock {
    /// A clock that always reads `time`.
    #[must_use]
    pub const fn at(time: UnixTime) -> Self {
        FixedClock(time)
    }
}

impl Clock for FixedClock {
    fn now(&self) -> UnixTime {
        self.0
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_clock_is_the_machines_time_and_goes_on() {
        let clock = SystemClock;
        let (before, began) = (clock.elapsed(), std::time::Instant::now());
        let precise = UnixTime::from(SystemTime::now());
        let apart = precise.saturating_since(clock.now()).max(clock.now().saturating_since(precise));
        assert!(apart < Duration::from_secs(10), "{apart:?}");
        while clock.elapsed() == before {
            assert!(began.elapsed() < Duration::from_secs(10), "it stands still");
        }
        assert!(clock.elapsed() > before);
    }

    #[test]
    fn s3_06_fractions_are_kept_and_s3_07_the_range_is_closed() {
        assert_eq!(UnixTime::from_numeric_date(1.7e9), Some(UnixTime::from_secs(1_700_000_000)));
        assert!(UnixTime::from_numeric_date(10.5) > Some(UnixTime::from_secs(10)));
        for bad in [-1.0, 1e300, 1_700_000_000_000.0, f64::NAN, f64::INFINITY, 18_446_744_073_709_551_616.0] {
            assert_eq!(UnixTime::from_numeric_date(bad), None, "{bad}");
        }
    }
}
