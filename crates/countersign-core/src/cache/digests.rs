//! A cache by keyed digests of credentials, which it does not keep: bounded in bytes, each entry with its own end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache as Sharded;
use quick_cache::{OptionsBuilder, Weighter};

use crate::digest::KeyedDigest;

/// The approximate overhead of an entry besides its value, in bytes.
const ENTRY_OVERHEAD: usize = 96;

/// A map of digests to `V`; each entry has its own end. A read takes no lock that all threads share.
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
pub struct DigestCache<V>(Option<Sharded<KeyedDigest, Entry<V>, ByBytes>>);

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
        let options = OptionsBuilder::new()
            .estimated_items_capacity((max_bytes / (mean_bytes + ENTRY_OVERHEAD)).max(1))
            .weight_capacity(max_bytes as u64)
            .build();
        let sharded = options.ok().filter(|_| max_bytes > 0);
        DigestCache(
            sharded.map(|options| Sharded::with_options(options, ByBytes, Default::default(), Default::default())),
        )
    }

    /// The value of this digest and its end, unless that has passed.
    #[must_use]
    pub fn get(&self, digest: KeyedDigest, elapsed: Duration) -> Option<(Arc<V>, Duration)> {
        let entries = self.0.as_ref()?;
        let entry = entries.get(&digest)?;
        if elapsed < entry.ends_at {
            return Some((entry.value, entry.ends_at));
        }
        entries.remove(&digest);
        None
    }

    /// Stores `value` until the clock's `elapsed` reads `ends_at`.
    pub fn insert(&self, digest: KeyedDigest, value: Arc<V>, value_bytes: usize, ends_at: Duration) {
        let bytes = u32::try_from(value_bytes + ENTRY_OVERHEAD).unwrap_or(u32::MAX);
        if let Some(entries) = &self.0 {
            entries.insert(digest, Entry { value, ends_at, bytes });
        }
    }

    /// Removes the entry of this digest.
    pub fn remove(&self, digest: KeyedDigest) {
        if let Some(entries) = &self.0 {
            entries.remove(&digest);
        }
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, Sharded::len)
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
}
