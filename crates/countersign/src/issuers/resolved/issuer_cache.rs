//! The cache of issuers by name, with pending lookups and refused names.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::lookup_limit::LookupLimit;
use super::policy::ResolvePolicy;
use super::resolver::NotResolved;

/// The number of cached refused names.
const MAX_REFUSED: usize = 10_000;

/// Maps names to issuers of type `I`. Cached issuers are read without a lock.
pub(super) struct IssuerCache<I> {
    policy: ResolvePolicy,
    cached: ArcSwap<HashMap<Box<str>, Arc<Entry<I>>>>,
    uncached: Mutex<Uncached<I>>,
}

/// An issuer and the time of its last use, in seconds.
pub(super) struct Entry<I> {
    pub(super) issuer: I,
    last_used: AtomicU64,
}

/// The state of names that are not cached. Times are readings of the clock's `elapsed`.
struct Uncached<I> {
    /// First lookups in progress. Their number is bounded by the lookup limit and the time limit of a lookup.
    pending: HashMap<Box<str>, Arc<Entry<I>>>,
    /// The end of each refusal.
    refused: HashMap<Box<str>, Duration>,
    limit: LookupLimit,
}

/// The next step of a caller whose issuer is not cached.
pub(super) enum Admission<I> {
    /// Waits for this lookup.
    Wait(Arc<Entry<I>>),
    /// Reads the cache again: it has an answer by now.
    Known,
    /// Tries again after this time.
    RetryAfter(Duration),
}

/// The states that the end of a lookup has changed.
pub(super) struct Finished {
    pub(super) was_pending: bool,
    pub(super) was_cached: bool,
}

impl<I> IssuerCache<I> {
    pub(super) fn new(policy: ResolvePolicy) -> Self {
        let uncached = Uncached { pending: HashMap::new(), refused: HashMap::new(), limit: LookupLimit::default() };
        IssuerCache { policy, cached: ArcSwap::default(), uncached: Mutex::new(uncached) }
    }

    /// Reads a cached issuer and marks it as used.
    pub(super) fn read<R>(&self, name: &str, elapsed: Duration, read: impl FnOnce(&I) -> R) -> Option<R> {
        self.cached.load().get(name).map(|entry| {
            entry.touch(elapsed);
            read(&entry.issuer)
        })
    }

    pub(super) fn is_refused(&self, name: &str, elapsed: Duration) -> bool {
        self.lock().is_refused(name, elapsed)
    }

    /// Joins the lookup of `name`, or starts one with `new` if the limit allows it.
    pub(super) fn admit(
        &self,
        name: &str,
        elapsed: Duration,
        is_accepted: bool,
        new: impl FnOnce() -> I,
    ) -> Admission<I> {
        let mut uncached = self.lock();
        if let Some(entry) = self.cached.load().get(name).or_else(|| uncached.pending.get(name)) {
            return Admission::Wait(Arc::clone(entry));
        }
        if !is_accepted || uncached.is_refused(name, elapsed) {
            return Admission::Known;
        }
        if let Err(pause) = uncached.limit.admit(self.policy.max_lookups_per_second, elapsed) {
            return Admission::RetryAfter(pause);
        }
        let entry = Arc::new(Entry { issuer: new(), last_used: AtomicU64::new(elapsed.as_secs()) });
        uncached.pending.insert(name.into(), Arc::clone(&entry));
        Admission::Wait(entry)
    }

    /// Records the end of a lookup.
    pub(super) fn finish(&self, name: &str, failure: Option<NotResolved>, elapsed: Duration) -> Finished {
        let mut uncached = self.lock();
        let pending = uncached.pending.remove(name);
        let mut finished = Finished { was_pending: pending.is_some(), was_cached: false };
        match failure {
            None => {
                if let Some(entry) = pending {
                    self.insert(name, entry);
                }
            }
            Some(NotResolved::Failed) if finished.was_pending => uncached.limit.pause(elapsed),
            Some(NotResolved::Failed) => {}
            Some(NotResolved::Refused) => {
                finished.was_cached = self.remove(name);
                uncached.refuse(name, elapsed, self.policy.refused_for);
            }
        }
        finished
    }

    /// Drops all that is known of `name`.
    pub(super) fn forget(&self, name: &str) {
        let mut uncached = self.lock();
        uncached.pending.remove(name);
        uncached.refused.remove(name);
        self.remove(name);
    }

    /// Drops a first lookup that ended without an answer, unless it was replaced.
    pub(super) fn abandon(&self, name: &str, entry: &Arc<Entry<I>>) {
        let mut uncached = self.lock();
        if uncached.pending.get(name).is_some_and(|pending| Arc::ptr_eq(pending, entry)) {
            uncached.pending.remove(name);
        }
    }

    /// Reads every cached issuer.
    pub(super) fn read_all<R>(&self, read: impl Fn(&I) -> Option<R>) -> Vec<R> {
        self.cached.load().values().filter_map(|entry| read(&entry.issuer)).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.cached.load().len()
    }

    /// Called under the lock only, as [`remove`](Self::remove). Copies the map: lookups are rare, and readers take no lock.
    fn insert(&self, name: &str, entry: Arc<Entry<I>>) {
        let mut cached = HashMap::clone(&self.cached.load());
        if cached.len() >= self.policy.max_issuers {
            let unused = cached.iter().min_by_key(|(_, entry)| entry.last_used.load(Ordering::Relaxed));
            if let Some(name) = unused.map(|(name, _)| name.clone()) {
                cached.remove(&name);
            }
        }
        cached.insert(name.into(), entry);
        self.cached.store(Arc::new(cached));
    }

    fn remove(&self, name: &str) -> bool {
        if !self.cached.load().contains_key(name) {
            return false;
        }
        let mut cached = HashMap::clone(&self.cached.load());
        cached.remove(name);
        self.cached.store(Arc::new(cached));
        true
    }

    fn lock(&self) -> MutexGuard<'_, Uncached<I>> {
        self.uncached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<I> Entry<I> {
    fn touch(&self, elapsed: Duration) {
        let second = elapsed.as_secs();
        if self.last_used.load(Ordering::Relaxed) != second {
            self.last_used.store(second, Ordering::Relaxed);
        }
    }
}

impl<I> Uncached<I> {
    fn is_refused(&self, name: &str, elapsed: Duration) -> bool {
        self.refused.get(name).is_some_and(|until| elapsed < *until)
    }

    fn refuse(&mut self, name: &str, elapsed: Duration, refused_for: Duration) {
        if self.refused.len() >= MAX_REFUSED {
            self.refused.retain(|_, until| elapsed < *until);
        }
        if self.refused.len() >= MAX_REFUSED
            && let Some(any) = self.refused.keys().next().cloned()
        {
            self.refused.remove(&any);
        }
        self.refused.insert(name.into(), elapsed.saturating_add(refused_for));
    }
}
