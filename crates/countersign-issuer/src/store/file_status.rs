//! Statuses in the file of one instance.

use countersign_core::clock::UnixTime;
use redb::{ReadableDatabase, ReadableTable};

use super::file::{FileStore, STATUS_LISTS, STATUS_NEXT, STATUS_REVOKED, failed};
use super::status::{StatusStore, indices_of, list_of, removed_before};
use super::{StoreError, StoreErrorKind};

impl FileStore {
    fn reserve_indices(&self, count: u64, ends_at: u64, removed_before: u64) -> Result<u64, redb::Error> {
        let write = self.database().begin_write()?;
        let first;
        {
            let mut next = write.open_table(STATUS_NEXT)?;
            let mut lists = write.open_table(STATUS_LISTS)?;
            first = next.get(())?.map_or(0, |next| next.value());
            next.insert((), first.saturating_add(count))?;
            let list = list_of(first);
            let end = lists.get(list)?.map_or(0, |end| end.value());
            lists.insert(list, end.max(ends_at))?;
            let mut ended = Vec::new();
            for entry in lists.range(..list)? {
                let (list, end) = entry?;
                if end.value() < removed_before {
                    ended.push(list.value());
                }
            }
            let mut revoked = write.open_table(STATUS_REVOKED)?;
            for list in ended {
                lists.remove(list)?;
                revoked.retain_in(indices_of(list), |_, ()| false)?;
            }
        }
        write.commit()?;
        Ok(first)
    }

    fn read_lists(&self) -> Result<Vec<u64>, redb::Error> {
        let table = self.database().begin_read()?.open_table(STATUS_LISTS)?;
        let mut lists = Vec::new();
        for entry in table.iter()? {
            lists.push(entry?.0.value());
        }
        Ok(lists)
    }

    fn write_revoked(&self, index: u64) -> Result<(), redb::Error> {
        let write = self.database().begin_write()?;
        write.open_table(STATUS_REVOKED)?.insert(index, ())?;
        Ok(write.commit()?)
    }

    fn read_revoked(&self, list: u64) -> Result<Vec<u64>, redb::Error> {
        let table = self.database().begin_read()?.open_table(STATUS_REVOKED)?;
        let mut indices = Vec::new();
        for entry in table.range(indices_of(list))? {
            indices.push(entry?.0.value());
        }
        Ok(indices)
    }
}

impl StatusStore for FileStore {
    fn reserve(&self, count: u64, ends_at: UnixTime, now: UnixTime) -> Result<u64, StoreError> {
        let reserved = self.reserve_indices(count, ends_at.as_secs(), removed_before(now));
        let first = reserved.map_err(|error| failed(&error))?;
        self.place().check(StoreErrorKind::Failed)?;
        Ok(first)
    }

    fn lists(&self) -> Result<Vec<u64>, StoreError> {
        self.place().check(StoreErrorKind::Failed)?;
        self.read_lists().map_err(|error| failed(&error))
    }

    fn revoke_index(&self, index: u64) -> Result<(), StoreError> {
        self.write_revoked(index).map_err(|error| failed(&error))?;
        self.place().check(StoreErrorKind::Failed)
    }

    fn revoked_indices(&self, list: u64) -> Result<Vec<u64>, StoreError> {
        self.place().check(StoreErrorKind::Failed)?;
        self.read_revoked(list).map_err(|error| failed(&error))
    }
}
