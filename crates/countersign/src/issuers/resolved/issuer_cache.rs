//! The cache of issuers by name.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::entry::{CachedEntry, Entries, Entry};
use super::eviction;
use super::policy::ResolvePolicy;
use super::resolver::NotResolved;
use super::uncached::{Started, Uncached};

/// Maps names to issuers of type `I`. Cached issuers are read without a lock.
pub(super) struct IssuerCache<I> {
    policy: ResolvePolicy,
    cached: ArcSwap<Entries<I>>,
    uncached: Mutex<Uncached<Entry<I>>>,
    insertions: AtomicU64,
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

impl<I: CachedEntry> IssuerCache<I> {
    pub(super) fn new(policy: ResolvePolicy) -> Self {
        let uncached = Mutex::new(Uncached::new(&policy));
        IssuerCache { policy, cached: ArcSwap::default(), uncached, insertions: AtomicU64::new(0) }
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
            let new = || Arc::new(Entry::new(new(name)));
            cached.get(name).map_or_else(new, Arc::clone)
        };
        let Started { own, others } = uncached.start(name, host, elapsed, entry);
        (own.map_or_else(Admission::RetryAfter, Admission::Wait), others)
    }

    /// Records the end of a lookup.
    pub(super) fn finish(&self, name: &str, failure: Option<NotResolved>, elapsed: Duration) -> Finished {
        let mut evicted = None; // dropped after the lock
        let mut uncached = self.lock();
        let pending = uncached.take_pending(name);
        let mut finished = Finished { was_pending: pending.is_some(), was_cached: false, known_names_changed: false };
        match failure {
            None => {
                if let Some(entry) = pending {
                    evicted = self.insert(name, entry);
                    finished.known_names_changed = uncached.trust(name);
                }
            }
            Some(NotResolved::Failed | NotResolved::TimedOut) => {
                if finished.was_pending {
                    uncached.pause(name, elapsed);
                }
            }
            Some(NotResolved::Refused) => {
                evicted = self.remove(name);
                finished.was_cached = evicted.is_some();
                finished.known_names_changed = uncached.known.remove(name);
                uncached.refuse(name, elapsed, self.policy.refused_for);
            }
        }
        drop(uncached);
        release(evicted);
        finished
    }

    /// Drops all that is known of `name`.
    pub(super) fn forget(&self, name: &str) {
        let evicted = {
            let mut uncached = self.lock();
            uncached.forget(name);
            self.remove(name)
        };
        release(evicted);
    }

    /// Evicts issuers until the keys of the others are within the bound, after those of `newest` were fetched: first idle
    /// ones, then among the rest those whose keys take more than an equal share. Returns true if `newest` is among them.
    pub(super) fn make_room(&self, newest: &str, elapsed: Duration) -> bool {
        let evicted = {
            let mut uncached = self.lock();
            let mut cached = HashMap::clone(&self.cached.load());
            let evicted = eviction::exceeding(&mut cached, &uncached, self.policy.max_key_bytes, newest, elapsed);
            if evicted.is_empty() {
                return false;
            }
            self.cached.store(Arc::new(cached));
            if evicted.iter().any(|(name, _)| **name == *newest) {
                uncached.pause(newest, elapsed); // or each of its tokens would cause a fetch
            }
            evicted
        };
        let is_among_them = evicted.iter().any(|(name, _)| **name == *newest);
        release(evicted.into_iter().map(|(_, entry)| entry));
        is_among_them
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
    /// Returns the entry that made room.
    fn insert(&self, name: &str, entry: Arc<Entry<I>>) -> Option<Arc<Entry<I>>> {
        let mut evicted = None;
        let mut cached = HashMap::clone(&self.cached.load());
        if cached.len() >= self.policy.max_issuers && !cached.contains_key(name) {
            let next = eviction::next(&cached, self.policy.max_issuers);
            evicted = next.and_then(|name| cached.remove(&name));
        }
        entry.set_inserted(self.insertions.fetch_add(1, Ordering::Relaxed));
        cached.insert(name.into(), entry);
        self.cached.store(Arc::new(cached));
        evicted
    }

    fn remove(&self, name: &str) -> Option<Arc<Entry<I>>> {
        if !self.cached.load().contains_key(name) {
            return None;
        }
        let mut cached = HashMap::clone(&self.cached.load());
        let removed = cached.remove(name);
        self.cached.store(Arc::new(cached));
        removed
    }

    fn lock(&self) -> MutexGuard<'_, Uncached<Entry<I>>> {
        self.uncached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Never called under the lock: it calls the user's code.
fn release<I: CachedEntry>(evicted: impl IntoIterator<Item = Arc<Entry<I>>>) {
    evicted.into_iter().for_each(|entry| entry.issuer.release());
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Issuer {
        last_used: AtomicU64,
        key_bytes: AtomicUsize,
    }

    impl CachedEntry for Issuer {
        fn last_used(&self) -> u64 {
            self.last_used.load(Ordering::Relaxed)
        }

        fn key_bytes(&self) -> usize {
            self.key_bytes.load(Ordering::Relaxed)
        }

        fn release(&self) {
            self.key_bytes.store(0, Ordering::Relaxed);
        }
    }

    const MIB: usize = 1024 * 1024;

    /// A cache of ten MiB with issuers of these names, seconds of the last use, and MiB.
    fn cache(issuers: &[(&str, u64, usize)]) -> IssuerCache<Issuer> {
        let cache = IssuerCache::new(ResolvePolicy::default().max_key_bytes(10 * MIB));
        for (name, last_used, mib) in issuers {
            let issuer = Issuer { last_used: (*last_used).into(), key_bytes: (mib * MIB).into() };
            cache.insert(name, Arc::new(Entry::new(issuer)));
        }
        cache
    }

    /// The names that are still cached after the keys of `newest` were fetched in second 1000.
    fn left(issuers: &[(&str, u64, usize)], newest: &str) -> String {
        let cache = cache(issuers);
        let is_evicted = cache.make_room(newest, Duration::from_secs(1000));
        let mut names: Vec<_> = cache.cached.load().keys().map(ToString::to_string).collect();
        names.sort();
        assert_eq!(is_evicted, !names.iter().any(|name| name == newest));
        names.concat()
    }

    /// A full cache of issuers that were used in this order, each named by its second.
    fn full(max_issuers: usize) -> IssuerCache<Issuer> {
        let cache = IssuerCache::new(ResolvePolicy::default().max_issuers(max_issuers));
        for second in 1..=max_issuers {
            insert(&cache, &format!("u{second}"), second as u64);
        }
        cache
    }

    fn insert(cache: &IssuerCache<Issuer>, name: &str, last_used: u64) {
        cache.insert(name, Arc::new(Entry::new(Issuer { last_used: last_used.into(), ..Issuer::default() })));
    }

    #[test]
    fn s15_03_new_issuers_take_few_places_and_each_has_time_for_its_first_token() {
        for (max_issuers, share) in [(1, 1), (2, 1), (3, 1), (4, 2), (8, 4), (40, 16), (400, 50)] {
            let cache = full(max_issuers);
            for number in 0..3 * max_issuers {
                insert(&cache, &format!("n{number}"), 0);
                let has_place = |name: String| cache.read(&name, |_| ()).is_some();
                assert!((number.saturating_sub(share - 1)..=number).all(|number| has_place(format!("n{number}"))));
                assert!((share + 1..=max_issuers).all(|used| has_place(format!("u{used}"))), "{max_issuers}: {number}");
                assert!(cache.len() <= max_issuers);
            }
        }
        // Once a token was verified, an issuer is as good as the others.
        let cache = full(4);
        insert(&cache, "n1", 0);
        cache.read("n1", |issuer| issuer.last_used.store(9, Ordering::Relaxed)).expect("in the cache");
        (2..9).for_each(|number| insert(&cache, &format!("n{number}"), 0));
        assert!(cache.read("n1", |_| ()).is_some());
    }

    #[test]
    fn s15_07_idle_issuers_make_room_for_keys_and_those_in_use_only_beyond_an_equal_share() {
        let idle = [("a", 990, 4), ("b", 900, 3), ("c", 0, 2), ("d", 500, 1), ("n", 0, 2)];
        assert_eq!(left(&idle, "n"), "abdn", "the one that was never used first");
        let idle = [("a", 990, 4), ("b", 900, 3), ("d", 500, 1), ("n", 0, 3)];
        assert_eq!(left(&idle, "n"), "abn", "then the one used longest ago");
        assert_eq!(left(&[("a", 990, 4), ("b", 990, 4), ("n", 0, 4)], "n"), "ab", "none in use, however new");
        assert_eq!(left(&[("a", 990, 6), ("b", 990, 2), ("n", 0, 3)], "n"), "bn", "but one with more than its share");
        assert_eq!(left(&[("a", 990, 6), ("b", 990, 4), ("n", 0, 0)], "n"), "abn", "within the bound");
        assert_eq!(left(&[("a", 990, 5), ("b", 990, 6)], "b"), "a", "keys that grew");
        assert_eq!(left(&[("a", 990, 11)], "a"), "", "a single issuer beyond the bound");
    }

    #[test]
    fn s15_07_an_issuer_that_was_never_used_is_idle_from_the_first_second_on() {
        let cache = cache(&[("a", 20, 4), ("b", 0, 4), ("n", 20, 3)]);
        assert!(!cache.make_room("n", Duration::from_secs(30)));
        assert!(cache.read("a", |_| ()).is_some() && cache.read("b", |_| ()).is_none());
    }

    #[test]
    fn s15_07_an_issuer_that_is_looked_up_again_keeps_its_keys() {
        let cache = cache(&[("a", 500, 6), ("b", 900, 3), ("n", 0, 4)]);
        let elapsed = Duration::from_secs(1000);
        let (admission, _) = cache.admit("a", Some("host"), elapsed, |_| false, |_| Issuer::default());
        assert!(matches!(admission, Admission::Wait(_)));
        assert!(!cache.make_room("n", elapsed));
        assert!(cache.read("b", |_| ()).is_none(), "the next one makes room");
        cache.finish("a", None, elapsed);
        assert_eq!(cache.read("a", Issuer::key_bytes), Some(6 * MIB));
    }

    #[test]
    fn s15_07_a_newcomer_without_room_is_not_looked_up_again_at_once() {
        let cache = cache(&[("a", 990, 5), ("b", 990, 5), ("n", 0, 5)]);
        let elapsed = Duration::from_secs(1000);
        assert!(cache.make_room("n", elapsed));
        let (admission, _) = cache.admit("n", Some("host"), elapsed, |_| true, |_| Issuer::default());
        assert!(matches!(admission, Admission::RetryAfter(_)));
    }
}
