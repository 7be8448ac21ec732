//! Clocks and points in time. This crate reads time only from a [`Clock`] that it is given.

mod source;
#[cfg(target_os = "linux")]
mod suspended;
pub(crate) mod sweep;

use std::any::TypeId;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[cfg(target_os = "linux")]
use rustix::time::ClockId as MachineClock;

pub use source::SourceClock;
#[cfg(target_os = "linux")]
use suspended::Suspended;

/// A point in time since 1970-01-01T00:00:00Z, as in a `NumericDate` (RFC 7519 §2).
///
/// It is never negative, and its arithmetic saturates instead of wrapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixTime(Duration);

impl UnixTime {
    /// The last second of the year 9999.
    ///
    /// Later times in claims are malformed: milliseconds, or an attack.
    pub const MAX: UnixTime = UnixTime(Duration::from_secs(253_402_300_799));

    /// The time `seconds` after the start of 1970.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        UnixTime(Duration::from_secs(seconds))
    }

    /// Converts a JSON number of seconds; `None` outside the years 1970 to 9999.
    ///
    /// Fractions are preserved, so that rounding never favours the token.
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

    /// Adds `later`, saturating at the largest value.
    #[must_use]
    pub const fn saturating_add(self, later: Duration) -> Self {
        UnixTime(self.0.saturating_add(later))
    }

    /// Subtracts `earlier`, saturating at the start of 1970.
    #[must_use]
    pub const fn saturating_sub(self, earlier: Duration) -> Self {
        UnixTime(self.0.saturating_sub(earlier))
    }

    /// The time since `earlier`; zero if `earlier` is later than this time.
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

/// A source of time. Tests and replays supply their own.
pub trait Clock: Send + Sync + Debug + 'static {
    /// The wall clock, for `exp`, `nbf` and `iat`.
    fn now(&self) -> UnixTime;

    /// The monotonic time since a fixed point, for the ages of keys and cache entries. The time for which the machine was
    /// suspended should count: keys grow old meanwhile.
    fn elapsed(&self) -> Duration;

    /// The identity of this clock: equal for two values that always read the same time.
    ///
    /// A verifier hands its clock to its key sources; a source that is attached to two different clocks is a configuration
    /// fault. By default, each value has its own identity. Override it if clones of a clock share their time, or if every
    /// value of the type reads the same.
    fn id(&self) -> ClockId {
        ClockId::from_address(self)
    }

    /// The clock for shared use. An `Arc` of a clock is a clock itself, and stays as it is.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use countersign_core::clock::{Clock, SystemClock};
    ///
    /// let shared: Arc<dyn Clock> = SystemClock.into_shared();
    /// assert!(Arc::ptr_eq(&shared, &Arc::clone(&shared).into_shared()));
    /// ```
    fn into_shared(self) -> Arc<dyn Clock>
    where
        Self: Sized,
    {
        Arc::new(self)
    }
}

impl<C: Clock> Clock for Arc<C> {
    fn now(&self) -> UnixTime {
        (**self).now()
    }

    fn elapsed(&self) -> Duration {
        (**self).elapsed()
    }

    fn id(&self) -> ClockId {
        (**self).id()
    }

    fn into_shared(self) -> Arc<dyn Clock> {
        self
    }
}

impl Clock for Arc<dyn Clock> {
    fn now(&self) -> UnixTime {
        (**self).now()
    }

    fn elapsed(&self) -> Duration {
        (**self).elapsed()
    }

    fn id(&self) -> ClockId {
        (**self).id()
    }

    fn into_shared(self) -> Arc<dyn Clock> {
        self
    }
}

/// The opaque identity of a [`Clock`], equal if two clocks are the same.
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
    /// The identity of all values of type `C`, for stateless clocks such as [`SystemClock`].
    #[must_use]
    pub fn from_type<C: Clock>() -> Self {
        ClockId(Identity::Type(TypeId::of::<C>()))
    }

    /// The identity of the state at this address, for clocks whose clones share an `Arc`.
    ///
    /// It is valid as long as the state does not move.
    #[must_use]
    pub fn from_address<T: ?Sized>(state: &T) -> Self {
        ClockId(Identity::Address(std::ptr::from_ref(state).cast::<()>().addr()))
    }
}

/// The clocks of the operating system.
///
/// On Linux it reads the coarse clocks, which lag by a few milliseconds at most and cost a tenth: checking a cached token
/// takes less time than two precise readings. The time for which the machine was suspended counts, at the latest a second
/// after it goes on. On other systems that depends on the clock of [`Instant`](std::time::Instant).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[cfg(target_os = "linux")]
impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        UnixTime(reading(MachineClock::RealtimeCoarse))
    }

    fn elapsed(&self) -> Duration {
        static SUSPENDED: Suspended = Suspended::new();
        SUSPENDED.added_to(reading(MachineClock::MonotonicCoarse), suspended_time)
    }

    fn id(&self) -> ClockId {
        ClockId::from_type::<Self>()
    }
}

#[cfg(target_os = "linux")]
fn suspended_time() -> Duration {
    let since_start = reading(MachineClock::Boottime);
    since_start.saturating_sub(reading(MachineClock::Monotonic)) // read last, so that a pause between the two takes off
}

#[cfg(target_os = "linux")]
fn reading(clock: MachineClock) -> Duration {
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

/// A clock that always reads the same time, for replaying a decision.
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
    /// Creates a clock that always reads `time`.
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

    #[cfg(target_os = "linux")]
    #[test]
    fn s4_07_s15_10_the_time_for_which_the_machine_was_suspended_counts() {
        let apart = reading(MachineClock::Boottime).abs_diff(SystemClock.elapsed());
        assert!(apart < Duration::from_secs(10), "{apart:?}");
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
