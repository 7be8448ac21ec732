//! A cache by keyed digests of credentials, which it does not keep: bounded in bytes, each entry with its own end.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quick_cache::sync::Cache as Sharded;
use quick_cache::{OptionsBuilder, Weighter};

use super::hot::{HotEntries, HotEntry};
use crate::digest::KeyedDigest;

/// The approximate overhead of an entry besides its value, in bytes.
const ENTRY_OVERHEAD: usize = 96;

/// A map of digests to `V`; each entry has its own end. A read takes no lock that all threads share; one of a value that is
/// [shared by views](Self::shared_by) writes no memory that they share either.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use countersign_core::integration::{DigestCache, DigestKey};
///
/// let (key, answers) = (DigestKey::random(), DigestCache::new(1 << 20, 256));
/// answers.insert(key.digest("token"), Arc::new("known"), 5, Duration::from_secs(60));
/// let held = answers.get(key.digest("token"), Duration::ZERO);
/// assert_eq!(held.map(|(value, _)| *value), Some("known"));
/// assert!(answers.get(key.digest("token"), Duration::from_secs(60)).is_none());
/// ```
pub struct DigestCache<V> {
    all: Option<Sharded<KeyedDigest, Entry<V>, ByBytes>>,
    hot: HotEntries<KeyedDigest, V>,
    view: fn(&Arc<V>) -> Arc<V>,
    /// Increases when an entry is removed or replaced: what a thread has apart may be that entry.
    revision: AtomicU64,
}

struct Entry<V> {
    value: Arc<V>,
    ends_at: Duration,
    bytes: u32,
}

impl<V> Clone for Entry<V> {
    fn clone(&self) -> Self {
        Entry { value: Arc::clone(&self.value), ..*self }
    }
}

impl<V> DigestCache<V> {
    /// A cache of at most about `max_bytes`, whose entries have about `mean_bytes`. With 0 bytes it keeps nothing.
    #[must_use]
    pub fn new(max_bytes: usize, mean_bytes: usize) -> Self {
        Self::with_hot(max_bytes, mean_bytes, HotEntries::none(), Arc::clone)
    }

    /// The same for values that all threads ask for often: each thread gets its own view, made by `view`, with a reference count
    /// of its own.
    ///
    /// ```
    /// use std::{sync::Arc, time::Duration};
    /// use countersign_core::integration::{DigestCache, DigestKey};
    ///
    /// let key = DigestKey::random();
    /// let answers = DigestCache::shared_by(1 << 20, 256, |known: &Arc<u64>| Arc::new(**known));
    /// answers.insert(key.digest("token"), Arc::new(7), 8, Duration::from_secs(60));
    /// assert!((0..20).all(|_| answers.get(key.digest("token"), Duration::ZERO).is_some()));
    /// answers.remove(key.digest("token"));
    /// assert!(answers.get(key.digest("token"), Duration::ZERO).is_none());
    /// ```
    #[must_use]
    pub fn shared_by(max_bytes: usize, mean_bytes: usize, view: fn(&Arc<V>) -> Arc<V>) -> Self {
        let hot = HotEntries::of_cache(max_bytes);
        Self::with_hot(max_bytes - hot.max_bytes(), mean_bytes, hot, view)
    }

    fn with_hot(
        max_bytes: usize,
        mean_bytes: usize,
        hot: HotEntries<KeyedDigest, V>,
        view: fn(&Arc<V>) -> Arc<V>,
    ) -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity((max_bytes / (mean_bytes + ENTRY_OVERHEAD)).max(1))
            .weight_capacity(max_bytes as u64)
            .build();
        let options = options.ok().filter(|_| max_bytes > 0);
        let all =
            options.map(|options| Sharded::with_options(options, ByBytes, Default::default(), Default::default()));
        DigestCache { all, hot, view, revision: AtomicU64::new(0) }
    }

    /// The value of this digest and its end, unless that has passed.
    #[must_use]
    pub fn get(&self, digest: KeyedDigest, elapsed: Duration) -> Option<(Arc<V>, Duration)> {
        let all = self.all.as_ref()?;
        // Read before the entry: one that is removed or replaced meanwhile does not stay apart.
        let revision = self.revision.load(Ordering::Acquire);
        let slot = self.hot.slot_of(digest.low());
        if let Some(found) = slot.as_ref().and_then(|slot| slot.get(|kept| *kept == digest, revision, elapsed)) {
            return Some(found);
        }
        let Entry { value, ends_at, bytes } = all.get(&digest)?;
        if elapsed >= ends_at {
            all.remove(&digest);
            return None;
        }
        if let Some(slot) = slot {
            let view = || Some(HotEntry { key: digest, value: (self.view)(&value), ends_at, revision });
            slot.found(bytes, view);
        }
        Some((value, ends_at))
    }

    /// Stores `value` until the clock's `elapsed` reads `ends_at`.
    pub fn insert(&self, digest: KeyedDigest, value: Arc<V>, value_bytes: usize, ends_at: Duration) {
        let bytes = u32::try_from(value_bytes + ENTRY_OVERHEAD).unwrap_or(u32::MAX);
        let Some(all) = &self.all else { return };
        match all.replace(digest, Entry { value, ends_at, bytes }, false) {
            Ok(()) => self.forget_apart(),
            Err((digest, entry)) => all.insert(digest, entry),
        }
    }

    /// Removes the entry of this digest.
    pub fn remove(&self, digest: KeyedDigest) {
        if let Some(all) = &self.all {
            all.remove(&digest);
            self.forget_apart();
        }
    }

    /// Has all threads read their entries again. Called after the change, so that none reads what was there before.
    fn forget_apart(&self) {
        self.revision.fetch_add(1, Ordering::Release);
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.as_ref().map_or(0, Sharded::len)
    }

    /// Returns whether it has no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<V> fmt::Debug for DigestCache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestCache").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct ByBytes;

impl<V> Weighter<KeyedDigest, Entry<V>> for ByBytes {
    fn weight(&self, _: &KeyedDigest, entry: &Entry<V>) -> u64 {
        u64::from(entry.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::hot::in_another_place;
    use super::*;
    use crate::digest::DigestKey;

    #[test]
    fn s13_04_memory_is_bounded_in_bytes_and_entries_end() {
        let (key, cache) = (DigestKey::random(), DigestCache::new(64 * 1024, 256));
        for number in 0..10_000 {
            cache.insert(key.digest(&number.to_string()), Arc::new(number), 500, Duration::from_secs(5));
        }
        assert!((8..=64 * 1024 / (500 + ENTRY_OVERHEAD) + 1).contains(&cache.len()), "{}", cache.len());
        let digest = key.digest("token");
        cache.insert(digest, Arc::new(7), 1, Duration::from_secs(5));
        assert_eq!(cache.get(digest, Duration::from_millis(4_999)).map(|(value, _)| *value), Some(7));
        assert!(cache.get(digest, Duration::from_secs(5)).is_none());
        assert!(DigestCache::<()>::new(0, 1).is_empty());
    }

    /// A value, and the number of the view of it.
    type Viewed = (&'static str, u32);

    fn shared() -> (KeyedDigest, DigestCache<Viewed>) {
        let view = |this: &Arc<Viewed>| Arc::new((this.0, this.1 + 1));
        (DigestKey::random().digest("token"), DigestCache::shared_by(1 << 20, 256, view))
    }

    fn get(cache: &DigestCache<Viewed>, digest: KeyedDigest, seconds: u64) -> Option<Viewed> {
        cache.get(digest, Duration::from_secs(seconds)).map(|(value, _)| *value)
    }

    /// Asks so often that this thread has the entry apart.
    fn heat(cache: &DigestCache<Viewed>, digest: KeyedDigest) -> Option<Viewed> {
        (0..20).map(|_| get(cache, digest, 1)).last().flatten()
    }

    #[test]
    fn s13_04_a_thread_that_asks_often_has_a_view_of_its_own_until_the_entry_ends() {
        let (digest, cache) = shared();
        cache.insert(digest, Arc::new(("ann", 0)), 10, Duration::from_secs(5));
        assert_eq!(get(&cache, digest, 1), Some(("ann", 0)));
        assert_eq!(heat(&cache, digest), Some(("ann", 1)));
        assert_eq!(in_another_place(|| get(&cache, digest, 1)), Some(("ann", 0)));
        assert_eq!(get(&cache, digest, 5), None);
        let other = DigestKey::random().digest("token");
        assert_eq!(get(&cache, other, 1), None);
    }

    #[test]
    fn s13_04_what_is_removed_or_replaced_by_one_thread_is_so_for_all() {
        let (digest, cache) = shared();
        cache.insert(digest, Arc::new(("ann", 0)), 10, Duration::from_secs(5));
        assert_eq!(heat(&cache, digest), Some(("ann", 1)));
        in_another_place(|| cache.insert(digest, Arc::new(("ann with less", 0)), 10, Duration::from_secs(5)));
        assert_eq!(get(&cache, digest, 1), Some(("ann with less", 0)));
        assert_eq!(heat(&cache, digest), Some(("ann with less", 1)));
        in_another_place(|| cache.remove(digest));
        assert_eq!(get(&cache, digest, 1), None);
    }

    #[test]
    fn what_a_thread_has_apart_is_dropped_even_if_the_whole_cache_has_lost_it() {
        let (digest, cache) = shared();
        cache.insert(digest, Arc::new(("ann", 0)), 10, Duration::from_secs(5));
        assert_eq!(heat(&cache, digest), Some(("ann", 1)));
        cache.all.as_ref().expect("a cache").clear();
        assert_eq!(get(&cache, digest, 1), Some(("ann", 1)), "it is good until it ends");
        cache.remove(digest);
        assert_eq!(get(&cache, digest, 1), None);
    }
}
