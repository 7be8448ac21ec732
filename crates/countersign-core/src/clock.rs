//! Time as this crate sees it: given from outside, never taken from the machine by itself.

use std::any::TypeId;
use std::fmt::Debug;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[cfg(target_os = "linux")]
use rustix::time::ClockId as MachineClock;

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

    /// The time since `earlier`; zero if this is before it.
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

/// A source of time; tests and replays supply their own.
pub trait Clock: Send + Sync + Debug + 'static {
    /// The wall clock, for `exp`, `nbf` and `iat`.
    fn now(&self) -> UnixTime;

    /// Time passed since some fixed point, never going back, for ages of keys and cache entries.
    fn elapsed(&self) -> Duration;

    /// The identity of this clock: equal for two values that always read the same time.
    ///
    /// A verifier hands its clock to its key sources; a source that is attached to two different clocks is a configuration
    /// fault. By default each value is a clock of its own. Override it if clones of a clock share their time, or if every
    /// value of the type reads the same.
    fn id(&self) -> ClockId {
        ClockId::from_address(self)
    }
}

/// The opaque identity of a [`Clock`]: tells whether two clocks are the same one.
///
/// ```
/// use std::sync::Arc;
/// use countersign_core::clock::{Clock, FixedClock, SystemClock, UnixTime};
///
/// let shared: Arc<dyn Clock> = Arc::new(SystemClock);
/// assert_eq!(shared.id(), SystemClock.id());
/// assert_ne!(shared.id(), FixedClock::new(UnixTime::from_secs(0)).id());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClockId(Identity);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Identity {
    Type(TypeId),
    Address(usize),
    Time(UnixTime),
}

impl ClockId {
    /// One identity for every value of the type `C`: for clocks without state, such as [`SystemClock`].
    #[must_use]
    pub fn from_type<C: Clock>() -> Self {
        ClockId(Identity::Type(TypeId::of::<C>()))
    }

    /// The identity of the state at this address: for clocks whose clones share it behind an `Arc`.
    ///
    /// It holds as long as the state is not moved.
    #[must_use]
    pub fn from_address<T: ?Sized>(state: &T) -> Self {
        ClockId(Identity::Address(std::ptr::from_ref(state).cast::<()>().addr()))
    }
}

/// The machine's clocks.
///
/// On Linux their coarse readings, which are a few milliseconds behind at most and cost a tenth: a token that was seen before
/// is checked in less time than two precise readings take.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[cfg(target_os = "linux")]
impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        UnixTime(coarse(MachineClock::RealtimeCoarse))
    }

    fn elapsed(&self) -> Duration {
        coarse(MachineClock::MonotonicCoarse)
    }

    fn id(&self) -> ClockId {
        ClockId::from_type::<Self>()
    }
}

#[cfg(target_os = "linux")]
fn coarse(clock: MachineClock) -> Duration {
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

    fn id(&self) -> ClockId {
        ClockId::from_type::<Self>()
    }
}

/// A clock that stands still, for replaying a decision at a given time.
///
/// ```
/// use countersign_core::clock::{Clock, FixedClock, UnixTime};
///
/// let clock = FixedClock::new(UnixTime::from_secs(1_700_000_000));
/// assert_eq!(clock.now().as_secs(), 1_700_000_000);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(UnixTime);

impl FixedClock {
    /// A clock that always reads `time`.
    #[must_use]
    pub const fn new(time: UnixTime) -> Self {
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

    fn id(&self) -> ClockId {
        ClockId(Identity::Time(self.0))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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
    fn clocks_are_the_same_if_they_always_read_alike() {
        #[derive(Clone, Debug)]
        struct Own(u8);
        impl Clock for Own {
            fn now(&self) -> UnixTime {
                UnixTime::from_secs(self.0.into())
            }
            fn elapsed(&self) -> Duration {
                Duration::ZERO
            }
        }
        let at = |seconds| FixedClock::new(UnixTime::from_secs(seconds));
        assert_eq!(SystemClock.id(), SystemClock.id());
        assert_eq!(at(5).id(), at(5).id());
        assert!(at(5).id() != at(6).id() && at(5).id() != SystemClock.id());
        let one: Arc<dyn Clock> = Arc::new(Own(1));
        assert_eq!(one.id(), Arc::clone(&one).id());
        assert_ne!(one.id(), Own(1).id());
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
