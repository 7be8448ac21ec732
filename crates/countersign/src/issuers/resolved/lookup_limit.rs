//! The limit on calls of the resolver for names that are not cached.

use std::time::Duration;

/// The pause after a failed lookup, in which no other uncached name is looked up.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// Counts lookups per second. Times are readings of the clock's `elapsed`.
#[derive(Default)]
pub(super) struct LookupLimit {
    second: u64,
    lookups: u32,
    paused_until: Duration,
}

impl LookupLimit {
    /// Admits a lookup.
    ///
    /// # Errors
    /// The time until the next attempt makes sense.
    pub(super) fn admit(&mut self, max_per_second: u32, elapsed: Duration) -> Result<(), Duration> {
        if elapsed < self.paused_until {
            return Err(self.paused_until.saturating_sub(elapsed));
        }
        if self.second != elapsed.as_secs() {
            (self.second, self.lookups) = (elapsed.as_secs(), 0);
        }
        if self.lookups >= max_per_second {
            return Err(PAUSE);
        }
        self.lookups += 1;
        Ok(())
    }

    /// Pauses lookups after a failure of the resolver.
    pub(super) fn pause(&mut self, elapsed: Duration) {
        self.paused_until = elapsed.saturating_add(PAUSE);
    }
}
