//! The time by which stored entries are removed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Clock, UnixTime};

/// The time for which a wall clock that was set ahead must stay ahead before entries are removed by it.
const CLOCK_STEP_WINDOW: Duration = Duration::from_secs(3600);

/// The time by which entries are removed: never later than the wall clock, or than it read within the last hour.
///
/// A wall clock that is set ahead and back again must not make a list forget: the token of a removed entry would be valid
/// again. So this time goes on with the monotonic clock from the lowest reading of the wall clock in the last one to two
/// hours. A clock that is set back counts at once.
///
/// ```
/// use countersign_core::clock::{Clock, SystemClock};
/// use countersign_core::integration::SweepTime;
///
/// assert!(SweepTime::default().read(&SystemClock) <= SystemClock.now());
/// ```
#[derive(Debug, Default)]
pub struct SweepTime(Mutex<Option<Offsets>>);

/// The lowest offsets between wall clock and monotonic clock, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Offsets {
    /// The start of the current window.
    since: Duration,
    current: i128,
    previous: i128,
}

impl SweepTime {
    /// Reads `clock`, which must be the same at every call.
    pub fn read(&self, clock: &dyn Clock) -> UnixTime {
        let elapsed = clock.elapsed();
        let wall = clock.now().saturating_since(UnixTime::from_secs(0));
        let offset = millis(wall).saturating_sub(millis(elapsed));
        let mut offsets = self.offsets();
        let mut known = offsets.unwrap_or(Offsets { since: elapsed, current: offset, previous: offset });
        if elapsed.saturating_sub(known.since) >= CLOCK_STEP_WINDOW {
            known = Offsets { since: elapsed, current: offset, previous: known.current };
        }
        known.current = known.current.min(offset);
        *offsets = Some(known);
        let sum = millis(elapsed).saturating_add(known.current.min(known.previous));
        UnixTime::from_secs(0).saturating_add(Duration::from_millis(u64::try_from(sum).unwrap_or_default()))
    }

    /// Forgets earlier readings, which were of another clock.
    pub fn reset(&self) {
        *self.offsets() = None;
    }

    fn offsets(&self) -> MutexGuard<'_, Option<Offsets>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(time: Duration) -> i128 {
    i128::try_from(time.as_millis()).unwrap_or(i128::MAX)
}
