//! The cache of verified tokens: bounded in bytes, matched byte for byte.

mod digests;
mod hot;
mod texts;

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache as Sharded;
use quick_cache::{Equivalent, OptionsBuilder, Weighter};

pub use digests::DigestCache;
pub(crate) use hot::Share;
use hot::{HotEntries, HotEntry};
pub(crate) use texts::TextCache;

/// The number of trailing characters that are hashed. They belong to the signature, and only verified tokens are inserted:
/// without the signing key, tokens with colliding hashes cannot be made. Hits compare the whole token.
const HASHED_TAIL: usize = 32;

/// The approximate overhead of an entry in bytes, besides its token and its value: its place in the tables, the reference
/// counts of both, and what the allocator adds.
const ENTRY_OVERHEAD: usize = 144;

/// The estimated mean size of an entry, which sizes the table, in bytes.
const MEAN_ENTRY: usize = 1536;

/// The only revision of the cache of tokens: each use checks again whether the value is current.
const REVISION: u64 = 0;

/// The trailing characters of a token by which a slot is found. They belong to the signature.
const SLOT_TAIL: usize = 8;

/// A map of verified tokens to `V`; each entry has its own end.
pub(crate) struct TokenCache<V> {
    all: Sharded<TokenKey, Entry<V>, ByBytes>,
    hot: HotEntries<Arc<str>, V>,
}

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

impl<V: Share> TokenCache<V> {
    /// A cache of at most about `max_bytes`.
    pub(crate) fn new(max_bytes: usize) -> Option<Self> {
        let hot = HotEntries::of_cache(max_bytes);
        let max_bytes = max_bytes - hot.max_bytes();
        let options = OptionsBuilder::new()
            .estimated_items_capacity((max_bytes / MEAN_ENTRY).max(1))
            .weight_capacity(max_bytes as u64)
            .build()
            .ok()?;
        let all = Sharded::with_options(options, ByBytes, Default::default(), Default::default());
        Some(TokenCache { all, hot })
    }

    /// The value of exactly this token, unless its entry has ended.
    pub(crate) fn get(&self, token: &str, elapsed: Duration) -> Option<Arc<V>> {
        let slot = self.hot.slot_of(tail_of(token));
        if let Some((value, _)) = slot.as_ref().and_then(|slot| slot.get(|kept| **kept == *token, REVISION, elapsed)) {
            return Some(value);
        }
        let Entry { value, ends_at, bytes } = self.all.get(&TokenRef(token))?;
        if whole_seconds(elapsed) < ends_at {
            if let Some(slot) = slot {
                let ends_at = Duration::from_secs(ends_at.into());
                slot.found(bytes, || {
                    let key = Arc::clone(value.token()?);
                    Some(HotEntry { key, value: V::view(&value), ends_at, revision: REVISION })
                });
            }
            return Some(value);
        }
        self.all.remove(&TokenRef(token));
        None
    }

    /// Stores `value` until the clock's `elapsed` reads `ends_at`.
    pub(crate) fn insert(&self, token: &Arc<str>, value: Arc<V>, value_bytes: usize, ends_at: Duration) {
        let bytes = token.len() + value_bytes + size_of::<V>() + ENTRY_OVERHEAD;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.all.insert(TokenKey(Arc::clone(token)), Entry { value, ends_at: whole_seconds(ends_at), bytes });
    }

    /// Removes a value that was found for this token, unless another one has taken its place: the place of another thread may
    /// still have the old one.
    pub(crate) fn remove(&self, token: &str, stale: &V) {
        if let Some(slot) = self.hot.slot_of(tail_of(token)) {
            slot.remove(|kept| kept.value.is_same(stale));
        }
        self.all.remove_if(&TokenRef(token), |entry| entry.value.is_same(stale));
    }

    /// The number of cached tokens.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }
}

#[inline]
fn tail_of(token: &str) -> u64 {
    token.as_bytes().last_chunk::<SLOT_TAIL>().map_or(0, |tail| u64::from_le_bytes(*tail))
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
    use super::hot::in_another_place;
    use super::*;

    const AT: fn(u64) -> Duration = Duration::from_secs;

    #[derive(Debug)]
    struct Value {
        token: Arc<str>,
        /// The number among the values for this token.
        number: u32,
        /// Zero, or that of a view.
        view: u32,
    }

    impl Share for Value {
        fn view(this: &Arc<Self>) -> Arc<Self> {
            Arc::new(Value { token: Arc::clone(&this.token), number: this.number, view: this.view + 1 })
        }

        fn is_same(&self, other: &Self) -> bool {
            self.token == other.token && self.number == other.number
        }

        fn token(&self) -> Option<&Arc<str>> {
            Some(&self.token)
        }
    }

    fn insert(cache: &TokenCache<Value>, token: &str, bytes: usize, ends_at: Duration) {
        insert_value(cache, token, 0, bytes, ends_at);
    }

    fn insert_value(cache: &TokenCache<Value>, token: &str, number: u32, bytes: usize, ends_at: Duration) {
        cache.insert(&token.into(), Arc::new(Value { token: token.into(), number, view: 0 }), bytes, ends_at);
    }

    fn remove(cache: &TokenCache<Value>, token: &str) {
        cache.remove(token, &cache.get(token, AT(1)).expect("a value"));
    }

    /// The number of the view, if the token is found.
    fn get(cache: &TokenCache<Value>, token: &str, elapsed: Duration) -> Option<u32> {
        cache.get(token, elapsed).map(|value| {
            assert_eq!(&*value.token, token, "the value of another token");
            value.view
        })
    }

    #[test]
    fn s11_05_only_the_same_bytes_hit() {
        let cache = TokenCache::new(1 << 20).expect("a cache");
        let tail = "t".repeat(HASHED_TAIL);
        for head in ["aaaa", "bbbb", "cccc"] {
            insert(&cache, &format!("{head}{tail}"), 10, AT(5));
        }
        for _ in 0..3 {
            assert!(get(&cache, &format!("bbbb{tail}"), AT(0)).is_some());
            assert_eq!(get(&cache, &format!("dddd{tail}"), AT(0)), None);
            assert_eq!(get(&cache, &tail, AT(0)), None);
        }
    }

    #[test]
    fn an_entry_ends_and_one_without_lifetime_is_never_found() {
        let cache = TokenCache::new(1 << 20).expect("a cache");
        insert(&cache, "token", 10, AT(5));
        assert!(get(&cache, "token", AT(4)).is_some());
        assert!(get(&cache, "token", AT(5)).is_none());
        insert(&cache, "zero", 10, AT(7));
        assert!(get(&cache, "zero", AT(7)).is_none());
    }

    #[test]
    fn s11_04_memory_is_bounded_in_bytes() {
        let cache = TokenCache::new(64 * 1024).expect("a cache");
        for number in 0..10_000 {
            insert(&cache, &format!("{number:0>1000}"), 500, AT(5));
        }
        assert!(cache.len() <= 64 * 1024 / (1000 + 500 + ENTRY_OVERHEAD) + 1, "{}", cache.len());
        assert!(cache.len() >= 8, "{}", cache.len());
    }

    #[test]
    fn a_token_that_a_thread_asks_for_again_is_its_own_until_it_ends() {
        let cache = TokenCache::new(64 << 20).expect("a cache");
        insert(&cache, "a token of ann", 10, AT(9));
        let found: Vec<_> = (0..20).map(|_| get(&cache, "a token of ann", AT(1))).collect();
        assert!(found.iter().all(Option::is_some) && found.is_sorted());
        assert_eq!((found[1], found[19]), (Some(0), Some(1)), "it gets a place after some times in a row");
        assert_eq!(get(&cache, "a token of ann", AT(9)), None, "it ends");
        insert(&cache, "a token of ann", 10, AT(20));
        let found: Vec<_> = (0..20).map(|_| get(&cache, "a token of ann", AT(10))).collect();
        assert_eq!(found[19], Some(1));
        remove(&cache, "a token of ann");
        assert_eq!(get(&cache, "a token of ann", AT(10)), None, "it is removed");
    }

    #[test]
    fn what_a_thread_keeps_is_asked_for_in_the_whole_cache_at_times() {
        let cache = TokenCache::new(64 << 20).expect("a cache");
        insert(&cache, "a token of ann", 10, AT(9));
        let kept = [(); 20].map(|()| get(&cache, "a token of ann", AT(1)))[19];
        assert_eq!(kept, Some(1));
        // Another thread removed it.
        in_another_place(|| remove(&cache, "a token of ann"));
        let hits = (0..5_000).take_while(|_| get(&cache, "a token of ann", AT(1)).is_some()).count();
        assert!((1..2_000).contains(&hits), "{hits}");
    }

    #[test]
    fn an_old_value_of_one_thread_does_not_remove_the_new_one_of_another() {
        let cache = TokenCache::new(64 << 20).expect("a cache");
        insert(&cache, "a token of ann", 10, AT(9));
        let [.., kept] = [(); 20].map(|()| cache.get("a token of ann", AT(1)).expect("a value"));
        assert_eq!((kept.number, kept.view), (0, 1));
        in_another_place(|| {
            remove(&cache, "a token of ann");
            insert_value(&cache, "a token of ann", 1, 10, AT(9));
        });
        let old = cache.get("a token of ann", AT(1)).expect("a value");
        assert_eq!(old.number, 0, "this thread still has it");
        cache.remove("a token of ann", &old);
        assert_eq!(cache.get("a token of ann", AT(1)).map(|value| value.number), Some(1));
    }

    #[test]
    fn large_tokens_and_small_caches_have_no_places() {
        let large = "t".repeat(4_000);
        let cache = TokenCache::new(64 << 20).expect("a cache");
        insert(&cache, &large, 10, AT(9));
        assert!((0..20).all(|_| get(&cache, &large, AT(1)) == Some(0)));
        let cache = TokenCache::new(16 * 1024).expect("a cache");
        insert(&cache, "a token of ann", 10, AT(9));
        assert!((0..20).all(|_| get(&cache, "a token of ann", AT(1)) == Some(0)));
    }

    #[test]
    fn many_tokens_and_threads_get_their_own_values() {
        let cache = TokenCache::new(64 << 20).expect("a cache");
        let tokens: Vec<String> = (0..500).map(|number| format!("{number:0>40}")).collect();
        tokens.iter().for_each(|token| insert(&cache, token, 10, AT(9)));
        std::thread::scope(|scope| {
            for seed in 0..8 {
                let (cache, tokens) = (&cache, &tokens);
                scope.spawn(move || {
                    let mut state: usize = seed;
                    for _ in 0..5_000 {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let random = state >> 33;
                        // Some are asked for far more often.
                        let most = if random.is_multiple_of(16) { tokens.len() } else { 3 };
                        let token = &tokens[random / 16 % most];
                        assert!(get(cache, token, AT(1)).is_some());
                        if random % 256 == 7 {
                            insert(cache, token, 10, AT(9));
                        }
                    }
                });
            }
        });
    }
}
