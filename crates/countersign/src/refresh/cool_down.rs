//! The cool-down between fetches that callers cause, and the back-off after failures.

use std::time::Duration;

/// The default of the longest time between two fetches that callers can cause.
///
/// Unknown key IDs cost a client nothing, so each must not cause a fetch.
pub(super) const COOL_DOWN: Duration = Duration::from_secs(10);

/// The default of that time while the fetches bring something new: then callers ask for good reason.
pub(super) const MIN_COOL_DOWN: Duration = Duration::from_secs(1);

/// Decides when the next fetch may start. All times are readings of the clock's `elapsed`.
pub(super) struct CoolDown {
    shortest: Duration,
    longest: Duration,
    /// The pause after the next fetch that a caller causes, if it brings nothing new.
    pause: Duration,
    /// The pause before a fetch for a key that was asked for repeatedly, since the last one that a caller caused.
    short_pause: Duration,
    last_start: Duration,
    /// While a value is usable, callers cause no fetch before this time.
    next_refresh: Duration,
    /// After a failure, nothing causes a fetch before this time.
    next_attempt: Duration,
    failures: u32,
}

impl CoolDown {
    /// A cool-down of `longest`, and of `shortest` after a fetch that brought something new.
    pub(super) fn new(shortest: Duration, longest: Duration) -> Self {
        CoolDown {
            shortest: shortest.min(longest),
            longest,
            pause: longest,
            short_pause: shortest.min(longest),
            last_start: Duration::ZERO,
            next_refresh: Duration::ZERO,
            next_attempt: Duration::ZERO,
            failures: 0,
        }
    }

    /// The earliest time of the next fetch that a caller causes.
    pub(super) fn not_before(&self, is_usable: bool) -> Duration {
        if is_usable { self.next_refresh } else { self.next_attempt }
    }

    /// As [`not_before`](Self::not_before), while a value is usable, for a key that was asked for repeatedly and that no fetch
    /// has looked for: a single invented key must not delay it.
    pub(super) fn not_before_for_repeated(&self) -> Duration {
        self.last_start.saturating_add(self.short_pause).max(self.next_attempt).min(self.next_refresh)
    }

    /// The earliest time of the next fetch that is due anyway.
    pub(super) fn next_attempt(&self) -> Duration {
        self.next_attempt
    }

    /// Returns whether the last fetches that callers caused brought something new.
    pub(super) fn is_short(&self) -> bool {
        self.pause < self.longest
    }

    /// Starts the cool-down. Called before the fetch is awaited, so that failed fetches count too.
    pub(super) fn start(&mut self, elapsed: Duration) {
        if elapsed < self.next_refresh {
            self.short_pause = self.short_pause.saturating_mul(2).min(self.longest);
        } else if elapsed >= self.next_refresh.saturating_add(self.longest) {
            self.short_pause = self.shortest; // it was quiet
        }
        self.last_start = elapsed;
        self.next_refresh = elapsed.saturating_add(self.pause);
        self.pause = self.pause.saturating_mul(2).min(self.longest);
    }

    /// Records the success of a fetch that started at `started`.
    pub(super) fn succeeded(&mut self, started: Duration, brought_news: bool) {
        self.failures = 0;
        self.next_attempt = Duration::ZERO;
        let mut pause = self.longest;
        if brought_news {
            pause = self.shortest;
            self.pause = self.shortest.saturating_mul(2).min(self.longest);
            self.short_pause = self.shortest;
        }
        self.next_refresh = self.next_refresh.min(started.saturating_add(pause));
    }

    /// Records a fetch that was cancelled before it had a result.
    pub(super) fn cancelled(&mut self) {
        self.next_refresh = Duration::ZERO;
    }

    /// Records a failure. `retry_after` is the pause that the response asks for; `backoff` gives the pause after so many
    /// failures in a row.
    pub(super) fn failed(&mut self, elapsed: Duration, retry_after: Duration, backoff: impl FnOnce(u32) -> Duration) {
        self.failures = self.failures.saturating_add(1);
        self.next_attempt = elapsed.saturating_add(retry_after.max(backoff(self.failures)));
        self.next_refresh = self.next_refresh.max(elapsed.saturating_add(retry_after));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn cool_down() -> CoolDown {
        CoolDown::new(MIN_COOL_DOWN, COOL_DOWN)
    }

    #[test]
    fn callers_wait_for_the_cool_down_while_a_value_is_usable() {
        let mut state = cool_down();
        assert_eq!(state.not_before(true), Duration::ZERO);
        state.start(SECOND);
        assert_eq!(state.not_before(true), SECOND + COOL_DOWN);
        assert_eq!(state.not_before(false), Duration::ZERO, "without a usable value only failures cause a pause");
        state.succeeded(SECOND, false);
        assert_eq!(state.not_before(true), SECOND + COOL_DOWN, "a success that brings nothing does not shorten it");
    }

    #[test]
    fn s4_15_the_cool_down_is_short_after_news_and_doubles_while_there_are_none() {
        let mut state = cool_down();
        let mut pauses = Vec::new();
        for brought_news in [false, true, true, false, false, false, false, false, true] {
            state.start(SECOND * 100);
            state.succeeded(SECOND * 100, brought_news);
            pauses.push((state.not_before(true) - SECOND * 100).as_secs());
        }
        assert_eq!(pauses, [10, 1, 1, 2, 4, 8, 10, 10, 1]);
    }

    #[test]
    fn s4_15_a_key_asked_for_repeatedly_waits_a_second_and_longer_after_each_look_in_vain() {
        let mut state = cool_down();
        let mut elapsed = SECOND * 100;
        let mut pauses = Vec::new();
        state.start(elapsed);
        state.succeeded(elapsed, false);
        for brought_news in [false, false, false, false, false, true, false] {
            pauses.push((state.not_before_for_repeated() - elapsed).as_secs());
            elapsed = state.not_before_for_repeated();
            state.start(elapsed);
            state.succeeded(elapsed, brought_news);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 10, 10, 1]);
        for _ in 0..3 {
            elapsed = state.not_before_for_repeated();
            state.start(elapsed);
        }
        elapsed = state.not_before(true) + COOL_DOWN;
        state.start(elapsed);
        assert_eq!(state.not_before_for_repeated() - elapsed, SECOND, "after a quiet time");
    }

    #[test]
    fn failures_back_off_and_a_success_resets_them() {
        let mut state = cool_down();
        for (failures, pause) in [(1, 1), (2, 2), (3, 4)] {
            state.failed(Duration::ZERO, Duration::ZERO, |count| {
                assert_eq!(count, failures);
                SECOND * (1 << (count - 1))
            });
            assert_eq!(state.next_attempt(), SECOND * pause);
        }
        state.failed(Duration::ZERO, SECOND * 30, |_| SECOND);
        assert_eq!((state.next_attempt(), state.not_before(true)), (SECOND * 30, SECOND * 30), "the response's pause");
        state.succeeded(Duration::ZERO, false);
        assert_eq!((state.next_attempt(), state.not_before(true)), (Duration::ZERO, COOL_DOWN));
    }
}
