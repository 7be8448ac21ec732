//! Keys in the memory of one process.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_core::clock::UnixTime;

use super::{ApiKeyStore, ApiKeyStoreError, Changes, MAX_KEYS, StoreFuture, StoredKey};

/// Stores keys in memory: for tests, and for keys that a process makes for itself.
///
/// ```
/// use countersign_apikey::{ApiKeys, MemoryKeyStore, Pepper};
///
/// let keys = ApiKeys::builder("https://shop.test/api-keys", MemoryKeyStore::new(), Pepper::random()?).build()?;
/// # let _ = keys;
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Default)]
pub struct MemoryKeyStore(Mutex<Keys>);

/// All keys, and the number of changes.
#[derive(Clone, Default)]
pub(super) struct Keys {
    pub(super) revision: u64,
    pub(super) keys: BTreeMap<String, StoredKey>,
}

impl Keys {
    /// Writes a key of the next version.
    ///
    /// # Errors
    /// The store is full.
    pub(super) fn put(&mut self, mut key: StoredKey) -> Result<bool, ApiKeyStoreError> {
        let stored = self.keys.get(&key.id);
        if key.version != stored.map_or(0, |stored| stored.version) + 1 {
            return Ok(false);
        }
        if stored.is_none() && self.keys.len() >= MAX_KEYS {
            return Err(ApiKeyStoreError::new("the store has 100,000 keys; remove those that ended"));
        }
        key.last_used_at = stored.and_then(|stored| stored.last_used_at);
        self.keys.insert(key.id.clone(), key);
        self.revision += 1;
        Ok(true)
    }

    pub(super) fn remove(&mut self, id: &str, version: u64) -> bool {
        let is_this = self.keys.get(id).is_some_and(|key| key.version == version);
        if is_this {
            self.keys.remove(id);
            self.revision += 1;
        }
        is_this
    }

    pub(super) fn record_uses(&mut self, uses: Vec<(String, UnixTime)>) {
        for (id, used_at) in uses {
            if let Some(key) = self.keys.get_mut(&id) {
                key.last_used_at = key.last_used_at.max(Some(used_at.as_secs()));
            }
        }
    }

    /// All keys, or none if nothing changed.
    pub(super) fn changes(&self, after: u64) -> Changes {
        match after == self.revision && after > 0 {
            true => Changes::partial(after, Vec::new(), Vec::new()),
            false => Changes::complete(self.revision, self.keys.values().cloned().collect()),
        }
    }
}

impl MemoryKeyStore {
    /// A store without keys.
    #[must_use]
    pub fn new() -> Self {
        MemoryKeyStore::default()
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ApiKeyStore for MemoryKeyStore {
    fn changes(&self, after: u64) -> StoreFuture<Changes> {
        Box::pin(std::future::ready(Ok(self.keys().changes(after))))
    }

    fn put(&self, key: StoredKey) -> StoreFuture<bool> {
        Box::pin(std::future::ready(self.keys().put(key)))
    }

    fn remove(&self, id: String, version: u64) -> StoreFuture<bool> {
        Box::pin(std::future::ready(Ok(self.keys().remove(&id, version))))
    }

    fn record_uses(&self, uses: Vec<(String, UnixTime)>) -> StoreFuture<()> {
        self.keys().record_uses(uses);
        Box::pin(std::future::ready(Ok(())))
    }
}

impl fmt::Debug for MemoryKeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryKeyStore").field("keys", &self.keys().keys.len()).finish_non_exhaustive()
    }
}
