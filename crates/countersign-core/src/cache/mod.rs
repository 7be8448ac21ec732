//! The cache of verified tokens: bounded in bytes, matched byte for byte.

mod digests;
mod texts;

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache as Sharded;
use quick_cache::{Equivalent, OptionsBuilder, Weighter};

pub use digests::DigestCache;
pub(crate) use texts::TextCache;

/// The number of trailing characters that are hashed. They belong to the signature, and only verified tokens are inserted:
/// without the signing key, tokens with colliding hashes cannot be made. Hits compare the whole token.
const HASHED_TAIL: usize = 32;

/// The approximate overhead of an entry in bytes, besides its token and its value: its place in the tables, the reference
/// counts of both, and what the allocator adds.
const ENTRY_OVERHEAD: usize = 144;

/// The estimated mean size of an entry, which sizes the table, in bytes.
const MEAN_ENTRY: usize = 1536;

/// A map of verified tokens to `V`; each entry has its own end.
pub(crate) struct TokenCache<V>(Sharded<TokenKey, Entry<V>, ByBytes>);

/// Small: with many tokens, each hit reads an entry that is not in the processor's caches.
struct Entry<V> {
    value: Arc<V>,
    /// In whole seconds, rounded down: an entry ends up to a second early.
    ends_at: u32,
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

    /// The value of exactly this token, unless its entry has ended.
    pub(crate) fn get(&self, token: &str, elapsed: Duration) -> Option<Arc<V>> {
        let entry = self.0.get(&TokenRef(token))?;
        if whole_seconds(elapsed) < entry.ends_at {
            return Some(entry.value);
        }
        self.remove(token);
        None
    }

    /// Stores `value` until the clock's `elapsed` reads `ends_at`.
    pub(crate) fn insert(&self, token: &Arc<str>, value: Arc<V>, value_bytes: usize, ends_at: Duration) {
        let bytes = token.len() + value_bytes + size_of::<V>() + ENTRY_OVERHEAD;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.0.insert(TokenKey(Arc::clone(token)), Entry { value, ends_at: whole_seconds(ends_at), bytes });
    }

    /// Removes this token.
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

/// Shared with the value, so that a token is in memory once.
struct TokenKey(Arc<str>);

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
    fn s11_05_only_the_same_bytes_hit() {
        let cache = TokenCache::new(1 << 20).expect("a cache");
        let tail = "t".repeat(HASHED_TAIL);
        for head in ["aaaa", "bbbb", "cccc"] {
            cache.insert(&format!("{head}{tail}").into(), Arc::new(head), 10, AT(5));
        }
        assert_eq!(cache.get(&format!("bbbb{tail}"), AT(0)).as_deref(), Some(&"bbbb"));
        assert_eq!(cache.get(&format!("dddd{tail}"), AT(0)), None);
        assert_eq!(cache.get(&tail, AT(0)), None);
    }

    #[test]
    fn an_entry_ends_and_one_without_lifetime_is_never_found() {
        let cache = TokenCache::new(1 << 20).expect("a cache");
        cache.insert(&"token".into(), Arc::new(1), 10, AT(5));
        assert!(cache.get("token", AT(4)).is_some());
        assert!(cache.get("token", AT(5)).is_none());
        cache.insert(&"zero".into(), Arc::new(1), 10, AT(7));
        assert!(cache.get("zero", AT(7)).is_none());
    }

    #[test]
    fn s11_04_memory_is_bounded_in_bytes() {
        let cache = TokenCache::new(64 * 1024).expect("a cache");
        for number in 0..10_000 {
            cache.insert(&format!("{number:0>1000}").into(), Arc::new(number), 500, AT(5));
        }
        assert!(cache.len() <= 64 * 1024 / (1000 + 500 + ENTRY_OVERHEAD) + 1, "{}", cache.len());
        assert!(cache.len() >= 8, "{}", cache.len());
    }
}
