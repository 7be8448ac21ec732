//! Statuses in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_core::clock::UnixTime;

use super::StoreError;
use super::status::{StatusStore, indices_of, list_of, removed_before};

/// The indices of status lists.
#[derive(Default)]
pub(super) struct MemoryStatuses(Mutex<Statuses>);

#[derive(Default)]
struct Statuses {
    next: u64,
    /// The end of the tokens of each list.
    ends: BTreeMap<u64, u64>,
    revoked: BTreeSet<u64>,
}

impl MemoryStatuses {
    fn lock(&self) -> MutexGuard<'_, Statuses> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StatusStore for MemoryStatuses {
    fn reserve(&self, count: u64, ends_at: UnixTime, now: UnixTime) -> Result<u64, StoreError> {
        let mut statuses = self.lock();
        let Statuses { next, ends, revoked } = &mut *statuses;
        let first = *next;
        *next = first.saturating_add(count);
        let list = list_of(first);
        let end = ends.entry(list).or_default();
        *end = (*end).max(ends_at.as_secs());
        ends.retain(|other, end| {
            let is_kept = *other >= list || *end >= removed_before(now);
            if !is_kept {
                let indices = indices_of(*other);
                revoked.retain(|index| !indices.contains(index));
            }
            is_kept
        });
        Ok(first)
    }

    fn lists(&self) -> Result<Vec<u64>, StoreError> {
        Ok(self.lock().ends.keys().copied().collect())
    }

    fn revoke_index(&self, index: u64) -> Result<(), StoreError> {
        self.lock().revoked.insert(index);
        Ok(())
    }

    fn revoked_indices(&self, list: u64) -> Result<Vec<u64>, StoreError> {
        Ok(self.lock().revoked.range(indices_of(list)).copied().collect())
    }
}
