//! Time that moves when the test says so.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::clock::{Clock, ClockId, SystemClock, UnixTime};

/// A clock to turn by hand. Clones are the same clock.
///
/// It has both hands that [`Clock`] asks for: the wall clock that judges `exp`, and the monotonic one that judges ages of
/// keys and cache entries. [`advance`](Self::advance) moves both; [`step_wall`](Self::step_wall) moves the wall clock
/// alone, as an administrator or a leap of NTP would.
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
pub struct ManualClock(Arc<Mutex<Hands>>);

#[derive(Debug)]
struct Hands {
    /// Whether the machine's clocks run beneath what was turned by hand.
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
    /// A clock that stands at `time` until it is turned.
    #[must_use]
    pub fn new(time: UnixTime) -> Self {
        Self::from(Hands { runs: false, wall: Wall::At(time), monotonic: Duration::ZERO })
    }

    /// The machine's clocks, which can be turned ahead: for tests beside programs that have no other clock.
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
        Self::from(Hands { runs: true, wall: Wall::Ahead(Duration::ZERO), monotonic: Duration::ZERO })
    }

    /// Lets `time` pass, on both hands.
    pub fn advance(&self, time: Duration) {
        let mut hands = self.hands();
        hands.monotonic = hands.monotonic.saturating_add(time);
        hands.wall = match hands.wall {
            Wall::At(now) => Wall::At(now.saturating_add(time)),
            Wall::Ahead(offset) => Wall::Ahead(offset.saturating_add(time)),
        };
    }

    /// Sets the wall clock, forwards or backwards, while the monotonic one goes on. A running clock then stands still.
    pub fn step_wall(&self, to: UnixTime) {
        self.hands().wall = Wall::At(to);
    }

    fn hands(&self) -> std::sync::MutexGuard<'_, Hands> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        match self.hands().wall {
            Wall::At(time) => time,
            Wall::Ahead(offset) => SystemClock.now().saturating_add(offset),
        }
    }

    fn elapsed(&self) -> Duration {
        let hands = self.hands();
        let beneath = if hands.runs { SystemClock.elapsed() } else { Duration::ZERO };
        beneath.saturating_add(hands.monotonic)
    }

    fn id(&self) -> ClockId {
        ClockId::from_address(&*self.0)
    }
}

impl From<Hands> for ManualClock {
    fn from(hands: Hands) -> Self {
        ManualClock(Arc::new(Mutex::new(hands)))
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
    fn a_running_clock_can_be_turned_ahead_and_stopped() {
        let clock = ManualClock::from_system();
        let before = clock.elapsed();
        clock.advance(Duration::from_secs(100));
        assert!(clock.elapsed() >= before + Duration::from_secs(100));
        clock.step_wall(UnixTime::from_secs(7));
        assert_eq!(clock.now(), UnixTime::from_secs(7));
    }
}
