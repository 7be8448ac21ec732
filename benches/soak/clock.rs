//! A clock whose wall time is set ahead and back, while its monotonic time goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_core::clock::{Clock, ClockId, SystemClock, UnixTime};

/// The system clock with an offset. Clones are the same clock.
#[derive(Clone, Debug, Default)]
pub(crate) struct SteppedClock(Arc<State>);

#[derive(Debug, Default)]
struct State {
    ahead: AtomicU64,
    /// Odd while the clock is ahead.
    steps: AtomicU64,
}

impl SteppedClock {
    /// Sets the wall clock ahead of the system's by so many seconds; 0 sets it back.
    pub(crate) fn set_ahead(&self, seconds: u64) {
        if seconds > 0 {
            self.0.steps.fetch_add(1, Ordering::SeqCst);
            self.0.ahead.store(seconds, Ordering::SeqCst);
        } else {
            self.0.ahead.store(0, Ordering::SeqCst);
            self.0.steps.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// The number of steps. The clock is right between two equal, even readings.
    pub(crate) fn steps(&self) -> u64 {
        self.0.steps.load(Ordering::SeqCst)
    }
}

impl Clock for SteppedClock {
    fn now(&self) -> UnixTime {
        SystemClock.now().saturating_add(Duration::from_secs(self.0.ahead.load(Ordering::SeqCst)))
    }

    fn elapsed(&self) -> Duration {
        SystemClock.elapsed()
    }

    fn id(&self) -> ClockId {
        ClockId::from_address(&*self.0)
    }
}
