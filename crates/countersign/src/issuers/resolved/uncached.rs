//! Names that are not cached: lookups in progress, refusals, pauses, and the order of those that wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::integration::{RankedQueue, RateBudget, Standing};

use super::known_names::KnownNames;
use super::policy::ResolvePolicy;

/// The number of cached refused names, and of names that failed.
const MAX_REFUSED: usize = 10_000;

/// The number of names that wait for a lookup.
const MAX_WAITING: usize = 4096;

/// The time that a name waits for a lookup after the last request for it: a tenant that is seldom asked for gathers requests.
const REMEMBER_FOR: Duration = Duration::from_secs(60);

/// Lookups per second of names that were trusted before, as a multiple of those of other names.
const KNOWN_NAMES_FACTOR: u32 = 10;

/// The time in which lookups are counted.
const WINDOW: Duration = Duration::from_secs(1);

/// The lifetime of the first refusal of a name; it doubles with each further one, up to the setting. A tenant that is asked for
/// before it is registered is trusted soon after.
const FIRST_REFUSAL: Duration = Duration::from_secs(5);

/// The pause of a name after its lookup failed; it doubles with each further failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The state of names that are not cached, with lookups of type `L`. Times are readings of the clock's `elapsed`.
pub(super) struct Uncached<L> {
    /// First lookups in progress. Their number is bounded by the budgets and the time limit of a lookup.
    pending: HashMap<Box<str>, Arc<L>>,
    /// The end of each refusal, and the number of refusals in a row.
    refused: HashMap<Box<str>, (Duration, u32)>,
    /// Names whose lookup failed, with the end of their pause and the number of failures in a row.
    paused: HashMap<Box<str>, (Duration, u32)>,
    pub(super) known: KnownNames,
    queue: RankedQueue<()>,
    known_lookups: RateBudget,
    lookups: RateBudget,
}

/// The lookups that a request starts.
pub(super) struct Started<L> {
    /// The lookup of the requested name, or the time until the next attempt.
    pub(super) own: Result<Arc<L>, Duration>,
    /// Lookups of names that waited and whose turn has come.
    pub(super) others: Vec<Arc<L>>,
}

impl<L> Uncached<L> {
    pub(super) fn new(policy: &ResolvePolicy) -> Self {
        let known_lookups = policy.max_lookups_per_second.saturating_mul(KNOWN_NAMES_FACTOR);
        Uncached {
            pending: HashMap::new(),
            refused: HashMap::new(),
            paused: HashMap::new(),
            known: KnownNames::new(policy.max_issuers),
            queue: RankedQueue::new(MAX_WAITING, REMEMBER_FOR),
            known_lookups: RateBudget::new(known_lookups, WINDOW),
            lookups: RateBudget::new(policy.max_lookups_per_second, WINDOW),
        }
    }

    /// Permits a lookup of a name that was trusted before.
    pub(super) fn admit_known(&self, name: &str, elapsed: Duration) -> bool {
        self.known_lookups.spend(name, Standing::Known, elapsed).is_ok()
    }

    pub(super) fn pending(&self, name: &str) -> Option<&Arc<L>> {
        self.pending.get(name)
    }

    /// Removes the lookup that has ended.
    pub(super) fn take_pending(&mut self, name: &str) -> Option<Arc<L>> {
        self.pending.remove(name)
    }

    /// Starts the lookup of `name`, or lets it wait. Names that were trusted before are looked up first, then those that most
    /// requests ask for, and some by lot. Each host has a share, and a name that failed waits on its own.
    pub(super) fn start(
        &mut self,
        name: &str,
        host: &str,
        elapsed: Duration,
        new: impl Fn(&str) -> Arc<L>,
    ) -> Started<L> {
        let mut others = Vec::new();
        if let Some((until, _)) = self.paused.get(name).filter(|(until, _)| elapsed < *until) {
            return Started { own: Err(until.saturating_sub(elapsed)), others };
        }
        let mut own = None;
        let begin = |pending: &mut HashMap<Box<str>, Arc<L>>, name: &str| {
            let lookup = new(name);
            pending.insert(name.into(), Arc::clone(&lookup));
            lookup
        };
        let is_known = self.known.contains(name);
        if is_known && self.admit_known(name, elapsed) {
            self.queue.remove(name);
            own = Some(begin(&mut self.pending, name));
        } else {
            let standing = if is_known { Standing::Known } else { Standing::New };
            self.queue.request(host, name, standing, elapsed, ());
        }
        while let Some((next, ())) = self.queue.grant(&self.lookups, elapsed) {
            let lookup = begin(&mut self.pending, &next);
            if *next == *name { own = Some(lookup) } else { others.push(lookup) }
        }
        let wait = || self.lookups.check(elapsed).map_or_else(|over| over.retry_after, |()| WINDOW);
        Started { own: own.ok_or_else(wait), others }
    }

    pub(super) fn is_refused(&self, name: &str, elapsed: Duration) -> bool {
        self.refused.get(name).is_some_and(|(until, _)| elapsed < *until)
    }

    pub(super) fn refuse(&mut self, name: &str, elapsed: Duration, refused_for: Duration) {
        self.paused.remove(name);
        // Refusals are counted for a while after the end of the last one.
        let is_recent = |(until, _): &&(Duration, u32)| elapsed < until.saturating_add(refused_for);
        let refusals = self.refused.get(name).filter(is_recent).map_or(0, |(_, refusals)| *refusals);
        let lifetime = FIRST_REFUSAL.saturating_mul(1_u32.checked_shl(refusals).unwrap_or(u32::MAX)).min(refused_for);
        make_room(&mut self.refused, |(until, _)| elapsed < *until);
        self.refused.insert(name.into(), (elapsed.saturating_add(lifetime), refusals.saturating_add(1)));
    }

    /// Pauses lookups of this name only, after a failure.
    pub(super) fn pause(&mut self, name: &str, elapsed: Duration) {
        let failures = self.paused.get(name).map_or(0, |(_, failures)| *failures);
        let pause = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX)).min(LONGEST_PAUSE);
        // Failures are counted for a while after the pause.
        make_room(&mut self.paused, |(until, _)| elapsed < until.saturating_add(LONGEST_PAUSE));
        self.paused.insert(name.into(), (elapsed.saturating_add(pause), failures.saturating_add(1)));
    }

    /// Records that `name` is trusted. Returns whether it was not known before.
    pub(super) fn trust(&mut self, name: &str) -> bool {
        self.paused.remove(name);
        self.refused.remove(name);
        self.known.insert(name)
    }

    /// Drops all that is known of `name`, except that it was trusted before.
    pub(super) fn forget(&mut self, name: &str) {
        self.pending.remove(name);
        self.refused.remove(name);
        self.paused.remove(name);
    }
}

/// Drops what is over if the map is full, then an entry at random if it is still full.
fn make_room<V>(names: &mut HashMap<Box<str>, V>, is_current: impl Fn(&V) -> bool) {
    if names.len() >= MAX_REFUSED {
        names.retain(|_, value| is_current(value));
    }
    if names.len() >= MAX_REFUSED
        && let Some(any) = names.keys().next().cloned()
    {
        names.remove(&any);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names that were trusted before wait ahead of others too, once their own limit is used up.
    #[test]
    fn s15_03_a_known_name_beyond_its_limit_is_looked_up_before_popular_new_ones() {
        let mut uncached = Uncached::<String>::new(&ResolvePolicy::default().max_lookups_per_second(1));
        let known: Vec<String> = (0..=KNOWN_NAMES_FACTOR).map(|n| format!("known-{n}")).collect();
        assert!(known.iter().all(|name| uncached.known.insert(name)));
        let mut start = |name: &str, second| {
            uncached.start(name, name, Duration::from_secs(second), |name| Arc::new(name.to_owned()))
        };
        assert!(start("new", 10).own.is_ok(), "the one lookup of this second");
        (0..100).for_each(|_| assert!(start("popular", 10).own.is_err()));
        let admitted = known.iter().filter(|name| start(name, 10).own.is_ok()).count();
        assert_eq!(admitted, KNOWN_NAMES_FACTOR as usize);
        let Started { own, others } = start("another", 11);
        assert!(own.is_err());
        assert_eq!(others, [Arc::new(format!("known-{KNOWN_NAMES_FACTOR}"))]);
    }
}
