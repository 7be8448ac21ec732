//! The retention of entries, safe against a wall clock that is set.

use std::collections::BTreeMap;
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
///
/// How long an entry was kept counts by monotonic time: a clock that read 1970 when it was made does not end it.
#[derive(Debug, Default)]
pub(super) struct Retention {
    /// The clock, and its monotonic reading when it was attached.
    clock: OnceLock<(Arc<dyn Clock>, Duration)>,
    swept_by: SweepTime,
    /// The latest `keep_until` of a removed entry, in milliseconds.
    removed_until: AtomicU64,
    /// The latest time of issue of tokens whose entries were removed before the tokens expired, in milliseconds.
    forgotten_until: AtomicU64,
    /// The latest monotonic time at which such an entry was made, in milliseconds.
    forgotten_at: AtomicU64,
}

/// The time for which an entry is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Term {
    keep_until: UnixTime,
    made: Made,
    /// Set if the entry's token may outlive the entry.
    bound: Option<Bound>,
}

/// The end of an entry whose token may outlive it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Bound {
    /// The longest age of the entry.
    longest: Duration,
    /// Tokens issued until this time may be meant, by the wall clock when the entry was made.
    meant_until: UnixTime,
}

/// The monotonic time at which an entry was made: by the attached clock, or before by the system clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Made {
    by_attached: bool,
    elapsed: Duration,
}

/// A moment of monotonic time, by the attached clock or before by the system clock; never 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(pub(super) u64);

/// The unit of a packed term.
const UNIT: Duration = Duration::from_secs(1024);

/// The bits of a packed term.
const BOUND: u32 = 1 << 23;
const BY_ATTACHED: u32 = 1 << 22;
const MAX_UNITS: u32 = BY_ATTACHED - 1;

/// The units of a packed term that have one time in [`MeantTimes`].
const MEANT_UNITS: u32 = 16;

/// The `meant_until` of packed terms, which have no room for it: the latest of those that were made within a few hours.
#[derive(Debug, Default)]
pub(super) struct MeantTimes(BTreeMap<u32, UnixTime>);

impl MeantTimes {
    /// Remembers that of a term that is about to be packed.
    pub(super) fn add(&mut self, term: Term) {
        if let Some(bound) = term.bound {
            let time = self.0.entry(term.pack() / MEANT_UNITS).or_insert(bound.meant_until);
            *time = bound.meant_until.max(*time);
        }
    }

    /// Forgets those that `is_over` for a term with the latest time that they stand for.
    pub(super) fn retain(&mut self, mut is_over: impl FnMut(u32) -> bool) {
        self.0.retain(|key, _| !is_over(key.saturating_add(1).saturating_mul(MEANT_UNITS).saturating_sub(1)));
    }
}

impl Term {
    pub(super) fn keep_until(self) -> UnixTime {
        self.keep_until
    }

    /// The term in 24 bits, rounded up to [`UNIT`]s: the age counts of an entry that its token may outlive, else the time.
    pub(super) fn pack(self) -> u32 {
        let (flags, time) = match self.bound {
            None => (0, since_1970(self.keep_until)),
            Some(_) if self.made.by_attached => (BOUND | BY_ATTACHED, self.made.elapsed),
            Some(_) => (BOUND, self.made.elapsed),
        };
        let units = u32::try_from(time.as_secs().div_ceil(UNIT.as_secs())).unwrap_or(u32::MAX);
        flags | units.min(MAX_UNITS)
    }

    /// The term of an entry that stands for both.
    pub(super) fn join(self, other: Term) -> Term {
        Term {
            keep_until: self.keep_until.max(other.keep_until),
            made: self.made.max(other.made),
            bound: self.bound.max(other.bound),
        }
    }
}

impl Retention {
    /// Takes the clock, unless there is one already. A different one is a fault.
    pub(super) fn attach(&self, clock: &Arc<dyn Clock>) -> Vec<Fault> {
        let (attached, _) = self.clock.get_or_init(|| {
            // Readings of the system clock, which was used so far, do not count for this one.
            self.swept_by.reset();
            let elapsed = clock.elapsed();
            if self.forgotten_at.load(Ordering::SeqCst) > 0 {
                self.forgotten_at.store(mark(elapsed), Ordering::SeqCst);
            }
            (Arc::clone(clock), elapsed)
        });
        self.sweep_time();
        if attached.id() == clock.id() {
            return Vec::new();
        }
        vec![Fault::new("revocation", "the check is used with two different clocks; create one check for each clock")]
    }

    /// Returns whether the clock of a verifier was attached: before, the system's clock need not be that one.
    pub(super) fn is_attached(&self) -> bool {
        self.clock.get().is_some()
    }

    /// The time until which an entry about a token with this expiry is kept.
    pub(super) fn keep_until(expires_at: UnixTime) -> UnixTime {
        expires_at.saturating_add(KEEP_AFTER_EXPIRY)
    }

    /// The term of an entry about a token with this expiry, which does not outlive the entry.
    pub(super) fn term_of(&self, expires_at: UnixTime) -> Term {
        let by_attached = self.clock.get().is_some();
        let made = Made { by_attached, elapsed: self.clock().elapsed() };
        Term { keep_until: Self::keep_until(expires_at), made, bound: None }
    }

    /// The term of an entry about tokens that expire by `expires_at` and were issued before `issued_before`: an entry is kept
    /// for at most `longest`, so that no caller fills a list for years.
    pub(super) fn term(&self, expires_at: UnixTime, issued_before: Option<UnixTime>, longest: Duration) -> Term {
        let now = self.now();
        let bound = self.outlives(expires_at, longest).then(|| Bound {
            longest: longest.saturating_add(KEEP_AFTER_EXPIRY),
            // Clocks of issuers differ by up to the leeway.
            meant_until: issued_before.map_or(now, |before| before.max(now)).saturating_add(KEEP_AFTER_EXPIRY),
        });
        Term { bound, ..self.term_of(expires_at) }
    }

    /// Returns whether a token with this expiry outlives an entry that is made now.
    pub(super) fn outlives(&self, expires_at: UnixTime, longest: Duration) -> bool {
        expires_at > self.now().saturating_add(longest)
    }

    /// The term that was [packed](Term::pack), of an entry in a list that keeps entries for at most `longest`.
    pub(super) fn unpack(packed: u32, longest: Duration, meant: &MeantTimes) -> Term {
        let units = packed & MAX_UNITS;
        let time = UNIT.saturating_mul(units);
        let epoch = UnixTime::from_secs(0);
        let made = Made { by_attached: packed & BY_ATTACHED != 0, elapsed: time };
        if packed & BOUND == 0 {
            let keep_until = if units == MAX_UNITS { UnixTime::MAX } else { epoch.saturating_add(time) };
            return Term { keep_until, made: Made { by_attached: false, elapsed: Duration::ZERO }, bound: None };
        }
        let bound = Bound {
            longest: longest.saturating_add(KEEP_AFTER_EXPIRY),
            meant_until: meant.0.get(&(packed / MEANT_UNITS)).copied().unwrap_or(UnixTime::MAX),
        };
        Term { keep_until: UnixTime::MAX, made, bound: Some(bound) }
    }

    /// The time by which entries are removed: never later than the wall clock, or than it read within the last hour.
    pub(super) fn sweep_time(&self) -> UnixTime {
        self.swept_by.read(self.clock())
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.clock().elapsed()
    }

    /// The wall clock's time.
    pub(super) fn now(&self) -> UnixTime {
        self.clock().now()
    }

    /// The present moment, for [`age`](Self::age).
    pub(super) fn moment(&self) -> Moment {
        let by_attached = u64::from(self.clock.get().is_some());
        Moment(mark(self.elapsed()).saturating_mul(2) | by_attached)
    }

    /// The time since `moment`. That of another clock, before this one was attached, counts as the moment in which it was.
    #[inline]
    pub(super) fn age(&self, Moment(moment): Moment) -> Duration {
        let elapsed = Duration::from_millis((moment / 2).saturating_sub(1));
        self.elapsed().saturating_sub(self.made_at(Made { by_attached: moment % 2 == 1, elapsed }))
    }

    /// Returns whether [`age`](Self::age) is above so many milliseconds. Nearly always without arithmetic on durations.
    #[inline]
    pub(super) fn is_older(&self, moment: Moment, millis: u64) -> bool {
        let clock = match self.clock.get() {
            Some((clock, _)) if moment.0 % 2 == 1 => clock,
            _ => return self.age(moment) > Duration::from_millis(millis),
        };
        // Rounded up, so that a part of a millisecond counts; the moment is in whole ones, and one more.
        let elapsed = clock.elapsed();
        let millis_of_second = u64::from(elapsed.subsec_nanos().div_ceil(1_000_000));
        let elapsed = elapsed.as_secs().saturating_mul(1_000).saturating_add(millis_of_second);
        elapsed.saturating_sub((moment.0 / 2).saturating_sub(1)) > millis
    }

    fn clock(&self) -> &dyn Clock {
        self.clock.get().map_or(&SystemClock, |(clock, _)| &**clock)
    }

    /// The monotonic time at which an entry was made, or at which the clock was attached if that was later.
    fn made_at(&self, made: Made) -> Duration {
        match self.clock.get() {
            Some((_, attached_at)) if !made.by_attached => *attached_at,
            _ => made.elapsed,
        }
    }

    /// Returns whether an entry may be removed at `sweep_time`.
    pub(super) fn is_over(&self, term: Term, sweep_time: UnixTime) -> bool {
        sweep_time > term.keep_until || self.is_too_old(term)
    }

    fn is_too_old(&self, term: Term) -> bool {
        let age = || self.clock().elapsed().saturating_sub(self.made_at(term.made));
        term.bound.is_some_and(|bound| age() > bound.longest)
    }

    /// Returns whether an entry may be removed at `sweep_time`. If so, tokens whose entries may be gone are refused from
    /// now on; the caller removes the entry afterwards.
    pub(super) fn may_remove(&self, term: Term, sweep_time: UnixTime) -> bool {
        if sweep_time > term.keep_until {
            self.removed_until.fetch_max(mark(since_1970(term.keep_until)), Ordering::SeqCst);
        } else if !self.is_too_old(term) {
            return false;
        }
        if let Some(bound) = term.bound {
            self.forgotten_until.fetch_max(mark(since_1970(bound.meant_until)), Ordering::SeqCst);
            self.forgotten_at.fetch_max(mark(self.made_at(term.made)), Ordering::SeqCst);
        }
        true
    }

    /// Returns whether a token with this time of issue may be one whose entry was removed before the token expired.
    #[inline]
    pub(super) fn may_have_forgotten(&self, issued_at: Option<UnixTime>) -> bool {
        match self.forgotten_at.load(Ordering::SeqCst) {
            0 => false,
            mark => self.may_be_of(Duration::from_millis(mark), issued_at),
        }
    }

    /// Returns whether a token with this time of issue may be meant by an entry that was made at this time or before.
    fn may_be_of(&self, made_at: Duration, issued_at: Option<UnixTime>) -> bool {
        // The wall clock may have been wrong when the entry was made: its time counts by the present clock too.
        let age = self.clock().elapsed().saturating_sub(made_at);
        let made = self.now().saturating_sub(age).saturating_add(KEEP_AFTER_EXPIRY);
        let until = self.forgotten_until.load(Ordering::SeqCst).max(mark(since_1970(made)));
        issued_at.is_none_or(|issued| since_1970(issued) < Duration::from_millis(until))
    }

    /// Returns whether the entry of a token with this expiry may have been removed, although the token may be accepted
    /// again: then the wall clock was set back.
    #[inline]
    pub(super) fn may_have_removed(&self, expires_at: UnixTime) -> bool {
        let removed_until = self.removed_until.load(Ordering::SeqCst);
        if removed_until == 0 {
            return false;
        }
        since_1970(Self::keep_until(expires_at)) < Duration::from_millis(removed_until)
    }
}

/// The milliseconds of a time, rounded up, so that 0 stands for no time.
fn mark(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

fn since_1970(time: UnixTime) -> Duration {
    time.saturating_since(UnixTime::from_secs(0))
}

#[cfg(test)]
mod tests;
