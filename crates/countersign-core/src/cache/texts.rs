//! A cache of values that depend only on a text, bounded in number.

use quick_cache::sync::Cache as Sharded;

/// A map of texts, each compared whole, to `V`.
pub(crate) struct TextCache<V>(Sharded<Box<str>, V>);

impl<V: Clone> TextCache<V> {
    /// A cache of at most about `entries`.
    pub(crate) fn new(entries: usize) -> Self {
        TextCache(Sharded::new(entries))
    }

    pub(crate) fn get(&self, text: &str) -> Option<V> {
        self.0.get(text)
    }

    pub(crate) fn insert(&self, text: &str, value: V) {
        self.0.insert(text.into(), value);
    }

    /// The number of entries.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
