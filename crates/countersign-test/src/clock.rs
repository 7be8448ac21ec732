//! A clock that the test moves.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::clock::{Clock, ClockId, SystemClock, UnixTime};

/// A clock that the test moves. Clones are the same clock.
///
/// It has the two readings of [`Clock`]: the wall clock for `exp`, and the monotonic clock for the age of keys and cache
/// entries. [`advance`](Self::advance) moves both; [`step_wall`](Self::step_wall) moves only the wall clock, as an
/// administrator or NTP would.
///
/// ```
/// use std::time::Duration;
/// use countersign_core::clock::{Clock, UnixTime};
/// use countersign_test::ManualClock;
///
/// let clock = ManualClock::new(UnixTime::from_secs(1_700_000_000));
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now().as_secs(), 1_700_000_060);
/// assert_eq!(clock.elapsed().as_secs(), 60);
/// clock.step_wall(UnixTime::from_secs(5));
/// assert_eq!((clock.now().as_secs(), clock.elapsed().as_secs()), (5, 60));
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<Readings>>);

#[derive(Debug)]
struct Readings {
    /// True if the system clock runs underneath.
    runs: bool,
    wall: Wall,
    monotonic: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Wall {
    At(UnixTime),
    Ahead(Duration),
}

impl ManualClock {
    /// A clock that stands at `time` until it is moved.
    #[must_use]
    pub fn new(time: UnixTime) -> Self {
        Self::from(Readings { runs: false, wall: Wall::At(time), monotonic: Duration::ZERO })
    }

    /// The system clock, which can be moved ahead, for tests with other programs.
    ///
    /// ```
    /// use std::time::Duration;
    /// use countersign_core::clock::{Clock, SystemClock};
    /// use countersign_test::ManualClock;
    ///
    /// let clock = ManualClock::from_system();
    /// clock.advance(Duration::from_secs(3600));
    /// assert!(clock.now() > SystemClock.now());
    /// ```
    #[must_use]
    pub fn from_system() -> Self {
        Self::from(Readings { runs: true, wall: Wall::Ahead(Duration::ZERO), monotonic: Duration::ZERO })
    }

    /// Lets `time` pass on both readings.
    pub fn advance(&self, time: Duration) {
        let mut readings = self.readings();
        readings.monotonic = readings.monotonic.saturating_add(time);
        readings.wall = match readings.wall {
            Wall::At(now) => Wall::At(now.saturating_add(time)),
            Wall::Ahead(offset) => Wall::Ahead(offset.saturating_add(time)),
        };
    }

    /// Steps the wall clock forwards or backwards. The monotonic clock goes on; a running wall clock then stands still.
    pub fn step_wall(&self, to: UnixTime) {
        self.readings().wall = Wall::At(to);
    }

    fn readings(&self) -> std::sync::MutexGuard<'_, Readings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        match self.readings().wall {
            Wall::At(time) => time,
            Wall::Ahead(offset) => SystemClock.now().saturating_add(offset),
        }
    }

    fn elapsed(&self) -> Duration {
        let readings = self.readings();
        let running = if readings.runs { SystemClock.elapsed() } else { Duration::ZERO };
        running.saturating_add(readings.monotonic)
    }

    fn id(&self) -> ClockId {
        ClockId::from_address(&*self.0)
    }
}

impl From<Readings> for ManualClock {
    fn from(readings: Readings) -> Self {
        ManualClock(Arc::new(Mutex::new(readings)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_are_the_same_clock() {
        let clock = ManualClock::new(UnixTime::from_secs(10));
        clock.clone().advance(Duration::from_secs(5));
        assert_eq!(clock.now(), UnixTime::from_secs(15));
        assert_eq!(clock.id(), clock.clone().id());
        assert_ne!(clock.id(), ManualClock::new(UnixTime::from_secs(10)).id());
    }

    #[test]
    fn a_running_clock_can_be_moved_ahead_and_stopped() {
        let clock = ManualClock::from_system();
        let before = clock.elapsed();
        clock.advance(Duration::from_secs(100));
        assert!(clock.elapsed() >= before + Duration::from_secs(100));
        clock.step_wall(UnixTime::from_secs(7));
        assert_eq!(clock.now(), UnixTime::from_secs(7));
    }
}
