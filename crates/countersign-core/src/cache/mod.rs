//! Tokens seen before: bounded in bytes, found only by the very same bytes.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache as Sharded;
use quick_cache::{Equivalent, OptionsBuilder, Weighter};

/// The number of trailing characters that are hashed. They are of the signature: only verified tokens are inserted, so
/// that nobody without the signing key can choose tokens whose hashes collide. Hits compare the whole token.
const HASHED_TAIL: usize = 32;

/// The approximate overhead of an entry in bytes, besides its token and its value.
const ENTRY_OVERHEAD: usize = 256;

/// A mean entry, to size the table, in bytes.
const MEAN_ENTRY: usize = 3 * 1024;

/// A verified-token cache: token to `V`, each with its own end.
pub(crate) struct TokenCache<V>(Sharded<TokenKey, Entry<V>, ByBytes>);

/// Small, as each hit among many reads one that is not in the processor's caches.
struct Entry<V> {
    value: Arc<V>,
    /// In whole seconds, rounded down: an entry ends up to a second early.
    keep_until: u32,
    bytes: u32,
}

impl<V> Clone for Entry<V> {
    fn clone(&self) -> Self {
        Entry { value: Arc::clone(&self.value), ..*self }
    }
}

impl<V> TokenCache<V> {
    /// A cache of at most about `max_bytes`.
    pub(crate) fn new(max_bytes: usize) -> Option<Self> {
        let options = OptionsBuilder::new()
            .estimated_items_capacity((max_bytes / MEAN_ENTRY).max(1))
            .weight_capacity(max_bytes as u64)
            .build()
            .ok()?;
        Some(TokenCache(Sharded::with_options(options, ByBytes, Default::default(), Default::default())))
    }

    /// The value kept for exactly this token, unless its time here is over.
    pub(crate) fn get(&self, token: &str, elapsed: Duration) -> Option<Arc<V>> {
        let entry = self.0.get(&TokenRef(token))?;
        if whole_seconds(elapsed) < entry.keep_until {
            return Some(entry.value);
        }
        self.remove(token);
        None
    }

    /// Keeps `value` until the clock's `elapsed` reads `keep_until`.
    pub(crate) fn insert(&self, token: &str, value: Arc<V>, held_bytes: usize, keep_until: Duration) {
        let bytes = token.len() + held_bytes + size_of::<V>() + ENTRY_OVERHEAD;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.0.insert(TokenKey(token.into()), Entry { value, keep_until: whole_seconds(keep_until), bytes });
    }

    /// Forgets this token.
    pub(crate) fn remove(&self, token: &str) {
        self.0.remove(&TokenRef(token));
    }

    /// The number of cached tokens.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

fn whole_seconds(elapsed: Duration) -> u32 {
    u32::try_from(elapsed.as_secs()).unwrap_or(u32::MAX) // not within a century
}

struct TokenKey(Box<str>);

struct TokenRef<'t>(&'t str);

impl PartialEq for TokenKey {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for TokenKey {}

impl Equivalent<TokenKey> for TokenRef<'_> {
    fn equivalent(&self, key: &TokenKey) -> bool {
        *self.0 == *key.0
    }
}

impl Hash for TokenKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        TokenRef(&self.0).hash(state);
    }
}

impl Hash for TokenRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let bytes = self.0.as_bytes();
        state.write(&bytes[bytes.len().saturating_sub(HASHED_TAIL)..]);
    }
}

#[derive(Clone)]
struct ByBytes;

impl<V> Weighter<TokenKey, Entry<V>> for ByBytes {
    fn weight(&self, _: &TokenKey, entry: &Entry<V>) -> u64 {
        u64::from(entry.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn s11_05_only_the_very_same_bytes_hit() {
        let cache = TokenCache::new(1 << 20).expect("a cache");
        let tail = "t".repeat(HASHED_TAIL);
        for head in ["aaaa", "bbbb", "cccc"] {
            cache.insert(&format!("{head}{tail}"), Arc::new(head), 10, AT(5));
        }
        assert_eq!(cache.get(&format!("bbbb{tail}"), AT(0)).as_deref(), Some(&"bbbb"));
        assert_eq!(cache.get(&format!("dddd{tail}"), AT(0)), None);
        assert_eq!(cache.get(&tail, AT(0)), None);
    }

    #[test]
    fn an_entry_ends_and_a_life_of_zero_is_no_life() {
        let cache = TokenCache::new(1 << 20).expect("a cache");
        cache.insert("token", Arc::new(1), 10, AT(5));
        assert!(cache.get("token", AT(4)).is_some());
        assert!(cache.get("token", AT(5)).is_none());
        cache.insert("zero", Arc::new(1), 10, AT(7));
        assert!(cache.get("zero", AT(7)).is_none());
    }

    #[test]
    fn s11_04_memory_is_bounded_in_bytes() {
        let cache = TokenCache::new(64 * 1024).expect("a cache");
        for number in 0..10_000 {
            cache.insert(&format!("{number:0>1000}"), Arc::new(number), 500, AT(5));
        }
        assert!(cache.len() <= 64 * 1024 / (1000 + 500 + ENTRY_OVERHEAD) + 1, "{}", cache.len());
        assert!(cache.len() >= 8, "{}", cache.len());
    }
}
