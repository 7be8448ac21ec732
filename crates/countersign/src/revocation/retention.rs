//! The retention of entries, safe against a wall clock that is set.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use countersign_core::clock::{Clock, SystemClock, UnixTime};
use countersign_core::error::Fault;
use countersign_core::integration::SweepTime;

/// The time for which an entry is kept after its token expires: the longest leeway of a policy.
const KEEP_AFTER_EXPIRY: Duration = Duration::from_secs(300);

/// Decides when an entry may be removed, and remembers for which tokens one may have been.
///
/// The wall clock may be set ahead and back again at any time. Two rules keep that harmless. A reading counts only after the
/// clock has read alike for an hour of monotonic time; the earlier of two readings decides until then. And a token that
/// expires no later than the latest entry that was removed is never reported as valid: its entry may have been removed.
#[derive(Debug, Default)]
pub(super) struct Retention {
    clock: OnceLock<Arc<dyn Clock>>,
    swept_by: SweepTime,
    /// The latest `keep_until` of a removed entry, in milliseconds.
    removed_until: AtomicU64,
    /// The latest time of issue of tokens whose entries were removed before the tokens expired, in milliseconds.
    forgotten_until: AtomicU64,
}

/// The time for which an entry is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) keep_until: UnixTime,
    /// Set if the entry's token may outlive the entry: tokens issued until this time may be meant.
    pub(super) meant_until: Option<UnixTime>,
}

impl Term {
    /// The term of an entry that stands for both.
    pub(super) fn join(self, other: Term) -> Term {
        Term { keep_until: self.keep_until.max(other.keep_until), meant_until: self.meant_until.max(other.meant_until) }
    }
}

impl Retention {
    /// Takes the clock, unless there is one already. A different one is a fault.
    pub(super) fn attach(&self, clock: &Arc<dyn Clock>) -> Vec<Fault> {
        let attached = self.clock.get_or_init(|| {
            // Readings of the system clock, which was used so far, do not count for this one.
            self.swept_by.reset();
            Arc::clone(clock)
        });
        self.sweep_time();
        if attached.id() == clock.id() {
            return Vec::new();
        }
        vec![Fault::new("revocation", "the check is used with two different clocks; create one check for each clock")]
    }

    /// The time until which an entry about a token with this expiry is kept.
    pub(super) fn keep_until(expires_at: UnixTime) -> UnixTime {
        expires_at.saturating_add(KEEP_AFTER_EXPIRY)
    }

    /// The term of an entry about tokens that expire by `expires_at` and were issued before `issued_before`: an entry is kept
    /// for at most `longest`, so that no caller fills a list for years.
    pub(super) fn term(&self, expires_at: UnixTime, issued_before: Option<UnixTime>, longest: Duration) -> Term {
        let now = self.clock().now();
        let bound = now.saturating_add(longest);
        match expires_at <= bound {
            true => Term { keep_until: Self::keep_until(expires_at), meant_until: None },
            // Clocks of issuers differ by up to the leeway.
            false => Term {
                keep_until: Self::keep_until(bound),
                meant_until: Some(
                    issued_before.map_or(now, |before| before.max(now)).saturating_add(KEEP_AFTER_EXPIRY),
                ),
            },
        }
    }

    /// Returns whether a token with this expiry outlives an entry that is made now.
    pub(super) fn outlives(&self, expires_at: UnixTime, longest: Duration) -> bool {
        expires_at > self.clock().now().saturating_add(longest)
    }

    /// The time by which entries are removed: never later than the wall clock, or than it read within the last hour.
    pub(super) fn sweep_time(&self) -> UnixTime {
        self.swept_by.read(self.clock())
    }

    fn clock(&self) -> &dyn Clock {
        self.clock.get().map_or(&SystemClock, |clock| &**clock)
    }

    /// Returns whether an entry may be removed at `sweep_time`. If so, tokens whose entries may be gone are refused from
    /// now on; the caller removes the entry afterwards.
    pub(super) fn may_remove(&self, term: Term, sweep_time: UnixTime) -> bool {
        let is_over = sweep_time > term.keep_until;
        if is_over {
            self.removed_until.fetch_max(millis(term.keep_until).saturating_add(1), Ordering::SeqCst);
            if let Some(meant_until) = term.meant_until {
                self.forgotten_until.fetch_max(millis(meant_until).saturating_add(1), Ordering::SeqCst);
            }
        }
        is_over
    }

    /// Returns whether a token with this time of issue may be one whose entry was removed before the token expired.
    pub(super) fn may_have_forgotten(&self, issued_at: Option<UnixTime>) -> bool {
        match self.forgotten_until.load(Ordering::SeqCst) {
            0 => false,
            until => issued_at.is_none_or(|issued| millis(issued) < until),
        }
    }

    /// Returns whether the entry of a token with this expiry may have been removed, although the token may be accepted
    /// again: then the wall clock was set back.
    pub(super) fn may_have_removed(&self, expires_at: UnixTime) -> bool {
        let removed_until = self.removed_until.load(Ordering::SeqCst);
        since_1970(Self::keep_until(expires_at)) < Duration::from_millis(removed_until)
    }
}

fn millis(time: UnixTime) -> u64 {
    u64::try_from(since_1970(time).as_millis()).unwrap_or(u64::MAX)
}

fn since_1970(time: UnixTime) -> Duration {
    time.saturating_since(UnixTime::from_secs(0))
}

#[cfg(test)]
mod tests {
    use countersign_test::ManualClock;

    use super::*;

    fn attached() -> (Retention, ManualClock) {
        let (retention, clock) = (Retention::default(), ManualClock::new(UnixTime::from_secs(1_000_000)));
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        assert!(retention.attach(&shared).is_empty());
        (retention, clock)
    }

    #[test]
    fn a_clock_that_was_set_ahead_counts_after_an_hour_and_one_set_back_at_once() {
        let (retention, clock) = attached();
        clock.step_wall(UnixTime::from_secs(2_000_000));
        assert_eq!(retention.sweep_time().as_secs(), 1_000_000);
        clock.advance(Duration::from_secs(3599));
        assert_eq!(retention.sweep_time().as_secs(), 1_003_599, "it goes on by the monotonic clock");
        clock.advance(Duration::from_secs(3600));
        retention.sweep_time();
        clock.advance(Duration::from_secs(3600));
        assert_eq!(retention.sweep_time().as_secs(), 2_000_000 + 10_799, "now it is the time");
        clock.step_wall(UnixTime::from_secs(500));
        assert_eq!(retention.sweep_time().as_secs(), 500);
    }

    #[test]
    fn a_clock_that_started_in_1970_is_trusted_once_it_was_set() {
        let (retention, clock) = attached();
        clock.step_wall(UnixTime::from_secs(5));
        assert_eq!(retention.sweep_time().as_secs(), 5);
        clock.step_wall(UnixTime::from_secs(1_700_000_000));
        for _ in 0..3 {
            clock.advance(Duration::from_secs(3600));
            retention.sweep_time();
        }
        assert_eq!(retention.sweep_time(), clock.now());
    }

    #[test]
    fn tokens_whose_entries_may_be_gone_are_known() {
        let (retention, clock) = attached();
        let at = UnixTime::from_secs;
        let may_remove = |keep_until| retention.may_remove(Term { keep_until, meant_until: None }, clock.now());
        assert!(!may_remove(clock.now()) && !retention.may_have_removed(at(0)));
        assert!(may_remove(at(999_999)));
        assert!(!retention.may_have_forgotten(None));
        assert!(retention.may_have_removed(at(999_699)) && retention.may_have_removed(at(5)));
        assert!(!retention.may_have_removed(at(999_700)), "this one expires later");
    }

    #[test]
    fn an_entry_is_kept_for_a_bounded_time_and_tokens_that_outlive_it_are_known() {
        let (retention, clock) = attached();
        let (at, day) = (UnixTime::from_secs, Duration::from_secs(86_400));
        assert_eq!(retention.term(at(1_086_400), None, day), Term { keep_until: at(1_086_700), meant_until: None });
        let term = retention.term(UnixTime::MAX, None, day);
        assert_eq!(term, Term { keep_until: at(1_086_700), meant_until: Some(at(1_000_300)) });
        assert!(retention.outlives(at(1_086_401), day) && !retention.outlives(at(1_086_400), day));
        clock.advance(Duration::from_secs(86_701));
        assert!(!retention.may_have_forgotten(None));
        assert!(retention.may_remove(term, clock.now()));
        assert!(retention.may_have_forgotten(None) && retention.may_have_forgotten(Some(at(1_000_300))));
        assert!(!retention.may_have_forgotten(Some(at(1_000_301))), "issued after the revocation");
    }
}
