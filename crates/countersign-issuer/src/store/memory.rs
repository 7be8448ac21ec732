//! State for as long as the process lives: for tests and laptops.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_core::clock::UnixTime;

use super::{List, MAX_NAMES, Remembered, Store, StoreError, StoredKeys};

/// Forgets everything with the process. Instances in one process may share it.
#[derive(Default)]
pub struct MemoryStore(Mutex<Held>);

#[derive(Default)]
struct Held {
    keys: Option<StoredKeys>,
    names: HashMap<List, HashMap<[u8; 32], UnixTime>>,
    secrets: HashMap<String, String>,
}

impl MemoryStore {
    /// Empty.
    #[must_use]
    pub fn new() -> Self {
        MemoryStore::default()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn keys(&self) -> Result<Option<StoredKeys>, StoreError> {
        Ok(self.held().keys.clone())
    }

    fn replace_keys(&self, seen: u64, keys: &[u8]) -> Result<bool, StoreError> {
        let mut held = self.held();
        let is_as_seen = held.keys.as_ref().map_or(0, |keys| keys.version) == seen;
        if is_as_seen {
            held.keys = Some(StoredKeys { version: seen.saturating_add(1), keys: keys.to_vec() });
        }
        Ok(is_as_seen)
    }

    fn remember(&self, list: List, name: &[u8; 32], ends: UnixTime, now: UnixTime) -> Result<Remembered, StoreError> {
        let mut held = self.held();
        let names = held.names.entry(list).or_default();
        let is_full = |names: &HashMap<_, _>| u64::try_from(names.len()).unwrap_or(u64::MAX) >= MAX_NAMES;
        if names.contains_key(name) {
            return Ok(Remembered::Known);
        }
        if is_full(names) {
            names.retain(|_, ends| now < *ends);
        }
        if is_full(names) {
            return Ok(Remembered::Full);
        }
        names.insert(*name, ends);
        Ok(Remembered::New)
    }

    fn remembers(&self, list: List, name: &[u8; 32]) -> Result<bool, StoreError> {
        Ok(self.held().names.get(&list).is_some_and(|names| names.contains_key(name)))
    }

    fn secrets(&self) -> Result<Vec<(String, String)>, StoreError> {
        Ok(self.held().secrets.iter().map(|(client, stored)| (client.clone(), stored.clone())).collect())
    }

    fn put_secret(&self, client: &str, stored: &str) -> Result<(), StoreError> {
        self.held().secrets.insert(client.to_owned(), stored.to_owned());
        Ok(())
    }

    fn is_quick(&self) -> bool {
        true
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
    fn s8_25_the_lists_are_bounded_and_forget_nothing_before_its_end() {
        let (store, now, ends) = (MemoryStore::new(), UnixTime::from_secs(10), UnixTime::from_secs(20));
        let name = |n: u64| countersign_core::secret::sha256(&n.to_string());
        let remember = |n, ends, now| store.remember(List::Revoked, &name(n), ends, now).expect("memory");
        for n in 0..MAX_NAMES {
            assert_eq!(remember(n, ends, now), Remembered::New);
        }
        assert_eq!(remember(MAX_NAMES, ends, now), Remembered::Full);
        assert_eq!(remember(7, ends, now), Remembered::Known);
        assert_eq!(store.remembers(List::Revoked, &name(0)), Ok(true));
        assert_eq!(store.remembers(List::Used, &name(0)), Ok(false));
        assert_eq!(remember(MAX_NAMES, UnixTime::from_secs(30), ends), Remembered::New, "the others have ended");
        assert_eq!(store.remembers(List::Revoked, &name(0)), Ok(false));
    }
}
