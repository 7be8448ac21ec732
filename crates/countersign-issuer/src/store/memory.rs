//! State in memory, for tests and development.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_core::clock::UnixTime;
use countersign_core::revocation::RevokedTokens;

use super::interface::MAX_IDS;
use super::memory_status::MemoryStatuses;
use super::revocations::MemoryNotices;
use super::share::{Room, Sweeps, has_room};
use super::status::StatusStore;
use super::{FoundNotices, IdList, Insertion, NoticePage, Store, StoreError, StoreErrorKind, StoredKeys};

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
pub struct MemoryStore {
    contents: Mutex<Contents>,
    sweeps: Sweeps,
    notice_sweeps: Sweeps,
    max_ids: u64,
    statuses: MemoryStatuses,
}

#[derive(Default)]
struct Contents {
    keys: Option<StoredKeys>,
    ids: HashMap<IdList, Ids>,
    notices: MemoryNotices,
    secret_hashes: HashMap<String, String>,
}

/// The ids of one list.
#[derive(Default)]
struct Ids {
    stored: HashMap<[u8; 32], (UnixTime, Arc<str>)>,
    /// The latest expiry of the removed ids.
    removed_until: Option<UnixTime>,
    counts: HashMap<Arc<str>, u64>,
}

impl Ids {
    fn has_room(&self, client: &str, max: u64) -> bool {
        let total = u64::try_from(self.stored.len()).unwrap_or(u64::MAX);
        has_room(client, max, total, self.counts.get(client).copied().unwrap_or(0))
    }

    fn insert(&mut self, digest: [u8; 32], client: &str, expires_at: UnixTime) {
        let client =
            self.counts.get_key_value(client).map_or_else(|| Arc::from(client), |(known, _)| Arc::clone(known));
        *self.counts.entry(Arc::clone(&client)).or_default() += 1;
        self.stored.insert(digest, (expires_at, client));
    }

    /// Returns whether an id of this expiry may have been removed.
    fn may_be_removed(&self, expires_at: UnixTime) -> bool {
        self.removed_until.is_some_and(|until| expires_at <= until)
    }

    fn remove_expired(&mut self, expired_before: UnixTime) {
        let removed_until = &mut self.removed_until;
        self.stored.retain(|_, (expires_at, _)| {
            let is_kept = expired_before < *expires_at;
            if !is_kept {
                *removed_until = (*removed_until).max(Some(*expires_at));
            }
            is_kept
        });
        self.counts.clear();
        for (_, client) in self.stored.values() {
            *self.counts.entry(Arc::clone(client)).or_default() += 1;
        }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        MemoryStore {
            contents: Mutex::default(),
            sweeps: Sweeps::default(),
            notice_sweeps: Sweeps::default(),
            max_ids: MAX_IDS,
            statuses: MemoryStatuses::default(),
        }
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        MemoryStore::default()
    }

    /// The most ids of each list, and the most revocations. Default 100,000.
    #[must_use]
    pub fn max_ids(mut self, ids: u64) -> Self {
        self.max_ids = ids;
        self
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
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
        client: &str,
        digest: &[u8; 32],
        expires_at: UnixTime,
        expired_before: UnixTime,
    ) -> Result<Insertion, StoreError> {
        let mut contents = self.contents();
        let ids = contents.ids.entry(list).or_default();
        if let Some((until, _)) = ids.stored.get_mut(digest) {
            *until = (*until).max(expires_at);
            return Ok(Insertion::Present);
        }
        if !ids.has_room(client, self.max_ids) && self.sweeps.is_due(list, expired_before) {
            ids.remove_expired(expired_before);
            self.sweeps.done(list, expired_before);
        }
        if !ids.has_room(client, self.max_ids) {
            return Ok(Insertion::Full);
        }
        ids.insert(*digest, client, expires_at);
        Ok(if ids.may_be_removed(expires_at) { Insertion::Unknown } else { Insertion::New })
    }

    fn contains_id(&self, list: IdList, digest: &[u8; 32], expires_at: UnixTime) -> Result<bool, StoreError> {
        let contents = self.contents();
        let Some(ids) = contents.ids.get(&list) else { return Ok(false) };
        match ids.stored.contains_key(digest) {
            false if ids.may_be_removed(expires_at) => Err(StoreError::new(StoreErrorKind::Removed)),
            is_stored => Ok(is_stored),
        }
    }

    fn put_notice(
        &self,
        client: &str,
        digest: &[u8; 32],
        tokens: &RevokedTokens,
        expires_at: UnixTime,
        expired_before: UnixTime,
    ) -> Result<Insertion, StoreError> {
        let room = Room { max: self.max_ids, expired_before, sweeps: &self.notice_sweeps };
        Ok(self.contents().notices.put(client, digest, (tokens, expires_at), room))
    }

    fn notices_after(&self, sequence: u64) -> Result<NoticePage, StoreError> {
        Ok(self.contents().notices.after(sequence))
    }

    fn find_notices(&self, digests: &[[u8; 32]], expires_at: UnixTime) -> Result<FoundNotices, StoreError> {
        Ok(self.contents().notices.find(digests, expires_at))
    }

    fn secret_hashes(&self) -> Result<Vec<(String, String)>, StoreError> {
        Ok(self.contents().secret_hashes.iter().map(|(client, hash)| (client.clone(), hash.clone())).collect())
    }

    fn put_secret_hash(&self, client_id: &str, hash: &str) -> Result<(), StoreError> {
        self.contents().secret_hashes.insert(client_id.to_owned(), hash.to_owned());
        Ok(())
    }

    fn statuses(&self) -> Option<&dyn StatusStore> {
        Some(&self.statuses)
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
        let insert = |n, end, now| store.insert_id(IdList::RevokedTokens, "", &digest(n), end, now).expect("memory");
        for n in 0..MAX_IDS {
            assert_eq!(insert(n, end, now), Insertion::New);
        }
        assert_eq!(insert(MAX_IDS, end, now), Insertion::Full);
        assert_eq!(insert(7, end, now), Insertion::Present);
        assert_eq!(store.contains_id(IdList::RevokedTokens, &digest(0), end), Ok(true));
        assert_eq!(store.contains_id(IdList::UsedAssertions, &digest(0), end), Ok(false));
        assert_eq!(insert(MAX_IDS, UnixTime::from_secs(30), end), Insertion::New, "the others have expired");
        let late = UnixTime::from_secs(21);
        assert_eq!(store.contains_id(IdList::RevokedTokens, &digest(0), late), Ok(false));
    }
}
