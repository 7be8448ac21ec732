//! The cache of issuers by name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::policy::ResolvePolicy;
use super::resolver::NotResolved;
use super::uncached::{Started, Uncached};

/// Maps names to issuers of type `I`. Cached issuers are read without a lock.
pub(super) struct IssuerCache<I> {
    policy: ResolvePolicy,
    cached: ArcSwap<HashMap<Box<str>, Arc<Entry<I>>>>,
    uncached: Mutex<Uncached<Entry<I>>>,
}

/// An issuer, or its lookup.
pub(super) struct Entry<I> {
    pub(super) issuer: I,
}

/// The order in which cached issuers make room.
pub(super) trait LastUsed {
    /// A number that is lower the earlier a token was last verified.
    fn last_used(&self) -> u64;
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
    /// True if the names that were trusted before are others now.
    pub(super) known_names_changed: bool,
}

impl<I: LastUsed> IssuerCache<I> {
    pub(super) fn new(policy: ResolvePolicy) -> Self {
        let uncached = Mutex::new(Uncached::new(&policy));
        IssuerCache { policy, cached: ArcSwap::default(), uncached }
    }

    /// Reads a cached issuer.
    pub(super) fn read<R>(&self, name: &str, read: impl FnOnce(&I) -> R) -> Option<R> {
        self.cached.load().get(name).map(|entry| read(&entry.issuer))
    }

    pub(super) fn is_refused(&self, name: &str, elapsed: Duration) -> bool {
        self.lock().is_refused(name, elapsed)
    }

    /// Permits the refresh of a cached issuer, within the limit of names that were trusted before.
    pub(super) fn admit_refresh(&self, name: &str, elapsed: Duration) -> bool {
        self.lock().admit_known(name, elapsed)
    }

    /// Joins the lookup of `name`, or starts one with `new` if the limits allow it. Also returns lookups of other names that
    /// are to be started now.
    pub(super) fn admit(
        &self,
        name: &str,
        host: Option<&str>,
        elapsed: Duration,
        is_usable: impl Fn(&I) -> bool,
        new: impl Fn(&str) -> I,
    ) -> (Admission<I>, Vec<Arc<Entry<I>>>) {
        let mut uncached = self.lock();
        if let Some(entry) = uncached.pending(name) {
            return (Admission::Wait(Arc::clone(entry)), Vec::new());
        }
        let cached = self.cached.load();
        if cached.get(name).is_some_and(|entry| is_usable(&entry.issuer)) {
            return (Admission::Known, Vec::new());
        }
        let Some(host) = host.filter(|_| !uncached.is_refused(name, elapsed)) else {
            return (Admission::Known, Vec::new());
        };
        // An expired entry stays in the cache and is looked up again, within the same limits.
        let entry = |name: &str| {
            let new = || Arc::new(Entry { issuer: new(name) });
            cached.get(name).map_or_else(new, Arc::clone)
        };
        let Started { own, others } = uncached.start(name, host, elapsed, entry);
        (own.map_or_else(Admission::RetryAfter, Admission::Wait), others)
    }

    /// Records the end of a lookup.
    pub(super) fn finish(&self, name: &str, failure: Option<NotResolved>, elapsed: Duration) -> Finished {
        let mut uncached = self.lock();
        let pending = uncached.take_pending(name);
        let mut finished = Finished { was_pending: pending.is_some(), was_cached: false, known_names_changed: false };
        match failure {
            None => {
                if let Some(entry) = pending {
                    self.insert(name, entry);
                    finished.known_names_changed = uncached.trust(name);
                }
            }
            Some(NotResolved::Failed | NotResolved::TimedOut) => {
                if finished.was_pending {
                    uncached.pause(name, elapsed);
                }
            }
            Some(NotResolved::Refused) => {
                finished.was_cached = self.remove(name);
                finished.known_names_changed = uncached.known.remove(name);
                uncached.refuse(name, elapsed, self.policy.refused_for);
            }
        }
        finished
    }

    /// Drops all that is known of `name`.
    pub(super) fn forget(&self, name: &str) {
        let mut uncached = self.lock();
        uncached.forget(name);
        self.remove(name);
    }

    /// Records names that were trusted in an earlier run.
    pub(super) fn load_known_names(&self, names: impl IntoIterator<Item = String>) {
        let mut uncached = self.lock();
        for name in names.into_iter().take(self.policy.max_issuers) {
            uncached.known.insert(&name);
        }
    }

    /// The names that were trusted before, one per line.
    pub(super) fn known_names(&self) -> String {
        self.lock().known.to_text()
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
        if cached.len() >= self.policy.max_issuers && !cached.contains_key(name) {
            let unused = cached.iter().min_by_key(|(_, entry)| entry.issuer.last_used());
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

    fn lock(&self) -> MutexGuard<'_, Uncached<Entry<I>>> {
        self.uncached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
