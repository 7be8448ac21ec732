//! State in memory, for tests and development.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_core::clock::UnixTime;

use super::interface::MAX_IDS;
use super::{IdList, Insertion, Store, StoreError, StoredKeys};

/// Stores the state in memory; it is lost when the process ends. Instances in one process may share it.
///
/// ```
/// use std::sync::Arc;
/// use countersign_issuer::{Issuer, MemoryStore};
///
/// let store = Arc::new(MemoryStore::new());
/// let instance = || Issuer::builder("http://127.0.0.1:4000").store(store.clone()).build();
/// assert_eq!(instance()?.keys(), instance()?.keys());
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Default)]
pub struct MemoryStore(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    keys: Option<StoredKeys>,
    ids: HashMap<IdList, HashMap<[u8; 32], UnixTime>>,
    secret_hashes: HashMap<String, String>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        MemoryStore::default()
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn keys(&self) -> Result<Option<StoredKeys>, StoreError> {
        Ok(self.contents().keys.clone())
    }

    fn replace_keys(&self, expected_version: u64, keys: &[u8]) -> Result<bool, StoreError> {
        let mut contents = self.contents();
        let is_expected = contents.keys.as_ref().map_or(0, |keys| keys.version) == expected_version;
        if is_expected {
            contents.keys = Some(StoredKeys::new(expected_version.saturating_add(1), keys.to_vec()));
        }
        Ok(is_expected)
    }

    fn insert_id(
        &self,
        list: IdList,
        digest: &[u8; 32],
        expires_at: UnixTime,
        now: UnixTime,
    ) -> Result<Insertion, StoreError> {
        let mut contents = self.contents();
        let ids = contents.ids.entry(list).or_default();
        let is_full = |ids: &HashMap<_, _>| u64::try_from(ids.len()).unwrap_or(u64::MAX) >= MAX_IDS;
        if ids.contains_key(digest) {
            return Ok(Insertion::Present);
        }
        if is_full(ids) {
            ids.retain(|_, expires_at| now < *expires_at);
        }
        if is_full(ids) {
            return Ok(Insertion::Full);
        }
        ids.insert(*digest, expires_at);
        Ok(Insertion::New)
    }

    fn contains_id(&self, list: IdList, digest: &[u8; 32]) -> Result<bool, StoreError> {
        Ok(self.contents().ids.get(&list).is_some_and(|ids| ids.contains_key(digest)))
    }

    fn secret_hashes(&self) -> Result<Vec<(String, String)>, StoreError> {
        Ok(self.contents().secret_hashes.iter().map(|(client, hash)| (client.clone(), hash.clone())).collect())
    }

    fn put_secret_hash(&self, client_id: &str, hash: &str) -> Result<(), StoreError> {
        self.contents().secret_hashes.insert(client_id.to_owned(), hash.to_owned());
        Ok(())
    }

    fn is_blocking(&self) -> bool {
        false
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s8_25_lists_are_bounded_and_keep_every_id_until_it_expires() {
        let (store, now, end) = (MemoryStore::new(), UnixTime::from_secs(10), UnixTime::from_secs(20));
        let digest = |n: u64| countersign_core::integration::sha256(&n.to_string());
        let insert = |n, end, now| store.insert_id(IdList::RevokedTokens, &digest(n), end, now).expect("memory");
        for n in 0..MAX_IDS {
            assert_eq!(insert(n, end, now), Insertion::New);
        }
        assert_eq!(insert(MAX_IDS, end, now), Insertion::Full);
        assert_eq!(insert(7, end, now), Insertion::Present);
        assert_eq!(store.contains_id(IdList::RevokedTokens, &digest(0)), Ok(true));
        assert_eq!(store.contains_id(IdList::UsedAssertions, &digest(0)), Ok(false));
        assert_eq!(insert(MAX_IDS, UnixTime::from_secs(30), end), Insertion::New, "the others have expired");
        assert_eq!(store.contains_id(IdList::RevokedTokens, &digest(0)), Ok(false));
    }
}
