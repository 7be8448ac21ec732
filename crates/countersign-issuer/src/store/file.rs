//! State in one crash-safe file, for one instance, with the embedded database redb.

use std::collections::HashMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::path::Path;

use countersign_core::clock::UnixTime;
use countersign_core::error::ConfigError;
use countersign_core::revocation::RevokedTokens;
use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableHandle};

use super::file_place::FilePlace;
use super::interface::MAX_IDS;
use super::revocations::FileNotices;
use super::share::{Room, Sweeps, has_room};
use super::status::StatusStore;
use super::{FoundNotices, IdList, Insertion, NoticePage, Store, StoreError, StoreErrorKind, StoredKeys};

/// The version and the keys, in the only entry.
const KEYS: TableDefinition<'_, (), (u64, &[u8])> = TableDefinition::new("keys");

/// The expiry of each id in seconds and its client, by list and digest.
const IDS: TableDefinition<'_, (u8, [u8; 32]), (u64, &str)> = TableDefinition::new("client_ids");

/// The number of ids of each client in each list.
const COUNTS: TableDefinition<'_, (u8, &str), u64> = TableDefinition::new("client_counts");

/// The latest expiry of the removed ids of each list.
const REMOVED: TableDefinition<'_, u8, u64> = TableDefinition::new("removed_until");

/// The expiry of each id, by list and digest, in files of an older form.
const OLD_IDS: TableDefinition<'_, (u8, [u8; 32]), u64> = TableDefinition::new("ids");

/// The counts in files of an older form.
const OLD_COUNTS: TableDefinition<'_, u8, u64> = TableDefinition::new("counts");

/// The upgraded secret hash of each client.
const SECRET_HASHES: TableDefinition<'_, &str, &str> = TableDefinition::new("secret_hashes");

/// The next index of status lists, in the only entry.
pub(super) const STATUS_NEXT: TableDefinition<'_, (), u64> = TableDefinition::new("status_next");

/// The end of the tokens of each status list, in seconds.
pub(super) const STATUS_LISTS: TableDefinition<'_, u64, u64> = TableDefinition::new("status_lists");

/// The revoked indices of status lists.
pub(super) const STATUS_REVOKED: TableDefinition<'_, u64, ()> = TableDefinition::new("status_revoked");

/// Stores the state of one instance in one file. Every write reaches the disk before it is acknowledged.
///
/// The file is created with mode 0600. A file that others may read or write is refused. Do not delete or replace the file of a
/// running service: its store then answers calls with an error, until it is opened again.
///
/// ```
/// use std::sync::Arc;
/// use countersign_issuer::{FileStore, Issuer};
///
/// let path = std::env::temp_dir().join(format!("issuer-file-doc-{}.redb", std::process::id()));
/// let store = FileStore::open(&path)?;
/// assert!(FileStore::open(&path).is_err()); // in use
/// let issuer = Issuer::builder("http://127.0.0.1:4000").store(Arc::new(store)).build()?;
/// # drop(issuer);
/// # std::fs::remove_file(&path).ok();
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
pub struct FileStore {
    database: Database,
    place: FilePlace,
    sweeps: Sweeps,
    notice_sweeps: Sweeps,
    max_ids: u64,
}

impl FileStore {
    /// Opens the file, or creates it.
    ///
    /// # Errors
    /// `ConfigError` if the file is not usable, is accessible to others, or is in use by another process.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let file = private_file(path.as_ref())?;
        let place = FilePlace::new(path.as_ref(), &file)?;
        let unusable = |error: &dyn fmt::Display| ConfigError::new("store", format!("the file is not usable: {error}"));
        let file = FileBackend::new(file).map_err(|error| unusable(&error))?; // locks it
        let database = redb::Builder::new().create_with_backend(file).map_err(|error| unusable(&error))?;
        let store = FileStore {
            database,
            place,
            sweeps: Sweeps::default(),
            notice_sweeps: Sweeps::default(),
            max_ids: MAX_IDS,
        };
        store.create_tables().map_err(|error| unusable(&error))?;
        Ok(store)
    }

    /// The most ids of each list, and the most revocations. Default 100,000.
    #[must_use]
    pub fn max_ids(mut self, ids: u64) -> Self {
        self.max_ids = ids;
        self
    }

    /// Creates the tables, so that no reader finds one missing.
    fn create_tables(&self) -> Result<(), redb::Error> {
        let write = self.database.begin_write()?;
        write.open_table(KEYS)?;
        write.open_table(IDS)?;
        write.open_table(COUNTS)?;
        write.open_table(REMOVED)?;
        move_old_ids(&write)?;
        FileNotices::create_tables(&write)?;
        write.open_table(SECRET_HASHES)?;
        write.open_table(STATUS_NEXT)?;
        write.open_table(STATUS_LISTS)?;
        write.open_table(STATUS_REVOKED)?;
        Ok(write.commit()?)
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    pub(super) fn place(&self) -> &FilePlace {
        &self.place
    }

    fn read_keys(&self) -> Result<Option<StoredKeys>, redb::Error> {
        let table = self.database.begin_read()?.open_table(KEYS)?;
        let stored = table.get(())?;
        Ok(stored.map(|stored| {
            let (version, keys) = stored.value();
            StoredKeys::new(version, keys.to_vec())
        }))
    }

    fn write_keys(&self, expected_version: u64, keys: &[u8]) -> Result<bool, redb::Error> {
        let write = self.database.begin_write()?;
        {
            let mut table = write.open_table(KEYS)?;
            let version = table.get(())?.map_or(0, |stored| stored.value().0);
            if version != expected_version {
                return Ok(false);
            }
            table.insert((), (expected_version.saturating_add(1), keys))?;
        }
        write.commit()?;
        Ok(true)
    }

    fn write_id(
        &self,
        list: IdList,
        client: &str,
        id: ([u8; 32], u64),
        expired: UnixTime,
    ) -> Result<Insertion, redb::Error> {
        let (number, (digest, expires_at)) = (list.number(), id);
        let write = self.database.begin_write()?;
        let mut is_free;
        let mut has_swept = false;
        let may_be_removed;
        {
            let mut ids = write.open_table(IDS)?;
            let mut counts = write.open_table(COUNTS)?;
            let mut removed = write.open_table(REMOVED)?;
            let stored = ids.get((number, digest))?.map(|stored| (stored.value().0, stored.value().1.to_owned()));
            if let Some((until, owner)) = stored {
                if until < expires_at {
                    ids.insert((number, digest), (expires_at, owner.as_str()))?;
                    drop((ids, counts, removed));
                    write.commit()?;
                }
                return Ok(Insertion::Present);
            }
            let mut own;
            (is_free, own) = room(&counts, number, client, self.max_ids)?;
            if !is_free && self.sweeps.is_due(list, expired) {
                if let Some(last) = remove_expired(&mut ids, &mut counts, number, expired.as_secs())? {
                    let until = removed.get(number)?.map_or(0, |until| until.value());
                    removed.insert(number, until.max(last))?;
                }
                has_swept = true;
                (is_free, own) = room(&counts, number, client, self.max_ids)?;
            }
            if is_free {
                ids.insert((number, digest), (expires_at, client))?;
                counts.insert((number, client), own.saturating_add(1))?;
            }
            may_be_removed = removed.get(number)?.is_some_and(|until| expires_at <= until.value());
        }
        if is_free || has_swept {
            write.commit()?;
        }
        if has_swept {
            self.sweeps.done(list, expired);
        }
        Ok(match (is_free, may_be_removed) {
            (false, _) => Insertion::Full,
            (true, false) => Insertion::New,
            (true, true) => Insertion::Unknown,
        })
    }

    /// Returns whether an id is stored; `None` if ids of its expiry were removed.
    fn has_id(&self, list: u8, digest: [u8; 32], expires_at: u64) -> Result<Option<bool>, redb::Error> {
        let read = self.database.begin_read()?;
        if read.open_table(IDS)?.get((list, digest))?.is_some() {
            return Ok(Some(true));
        }
        let removed_until = read.open_table(REMOVED)?.get(list)?.map_or(0, |until| until.value());
        Ok((removed_until < expires_at).then_some(false))
    }

    fn read_secret_hashes(&self) -> Result<Vec<(String, String)>, redb::Error> {
        let table = self.database.begin_read()?.open_table(SECRET_HASHES)?;
        let mut hashes = Vec::new();
        for entry in table.iter()? {
            let (client, hash) = entry?;
            hashes.push((client.value().to_owned(), hash.value().to_owned()));
        }
        Ok(hashes)
    }

    fn write_secret_hash(&self, client_id: &str, hash: &str) -> Result<(), redb::Error> {
        let write = self.database.begin_write()?;
        write.open_table(SECRET_HASHES)?.insert(client_id, hash)?;
        Ok(write.commit()?)
    }
}

/// Moves the ids of an older form, which named no clients, to the issuer itself.
fn move_old_ids(write: &redb::WriteTransaction) -> Result<(), redb::Error> {
    if !write.list_tables()?.any(|table| table.name() == OLD_IDS.name()) {
        return Ok(());
    }
    {
        let (old, mut ids) = (write.open_table(OLD_IDS)?, write.open_table(IDS)?);
        let mut counts = write.open_table(COUNTS)?;
        for entry in old.iter()? {
            let (key, expires_at) = entry?;
            let ((list, digest), expires_at) = (key.value(), expires_at.value());
            ids.insert((list, digest), (expires_at, ""))?;
            let count = counts.get((list, ""))?.map_or(0, |count| count.value());
            counts.insert((list, ""), count.saturating_add(1))?;
        }
    }
    write.delete_table(OLD_IDS)?;
    write.delete_table(OLD_COUNTS)?;
    Ok(())
}

/// Returns whether `client` has room for another id, and the number of its ids.
fn room(
    counts: &redb::Table<'_, (u8, &'static str), u64>,
    list: u8,
    client: &str,
    max: u64,
) -> Result<(bool, u64), redb::Error> {
    let mut total = 0_u64;
    for entry in counts.iter()? {
        let (key, count) = entry?;
        total = total.saturating_add(if key.value().0 == list { count.value() } else { 0 });
    }
    let own = counts.get((list, client))?.map_or(0, |count| count.value());
    Ok((has_room(client, max, total, own), own))
}

/// Removes the expired ids of a list, and counts the others again. Returns the latest expiry of the removed ones.
fn remove_expired(
    ids: &mut redb::Table<'_, (u8, [u8; 32]), (u64, &'static str)>,
    counts: &mut redb::Table<'_, (u8, &'static str), u64>,
    list: u8,
    expired: u64,
) -> Result<Option<u64>, redb::Error> {
    let mut last = None;
    let mut kept = HashMap::<String, u64>::new();
    ids.retain_in((list, [0; 32])..=(list, [255; 32]), |_, (expires_at, client)| {
        let is_kept = expired < expires_at;
        if is_kept {
            *kept.entry(client.to_owned()).or_default() += 1;
        } else {
            last = last.max(Some(expires_at));
        }
        is_kept
    })?;
    counts.retain(|(other, _), _| other != list)?;
    for (client, count) in kept {
        counts.insert((list, client.as_str()), count)?;
    }
    Ok(last)
}

impl Store for FileStore {
    fn keys(&self) -> Result<Option<StoredKeys>, StoreError> {
        // The keys of a file that somebody removed or replaced are not to be used any more.
        self.place.check(StoreErrorKind::Reset)?;
        self.read_keys().map_err(|error| failed(&error))
    }

    fn replace_keys(&self, expected_version: u64, keys: &[u8]) -> Result<bool, StoreError> {
        let is_written = self.write_keys(expected_version, keys).map_err(|error| failed(&error))?;
        self.place.check(StoreErrorKind::Reset)?;
        Ok(is_written)
    }

    fn insert_id(
        &self,
        list: IdList,
        client: &str,
        digest: &[u8; 32],
        expires_at: UnixTime,
        expired_before: UnixTime,
    ) -> Result<Insertion, StoreError> {
        let written = self.write_id(list, client, (*digest, expires_at.as_secs()), expired_before);
        let inserted = written.map_err(|error| failed(&error))?;
        self.place.check(StoreErrorKind::Failed)?;
        Ok(inserted)
    }

    fn contains_id(&self, list: IdList, digest: &[u8; 32], expires_at: UnixTime) -> Result<bool, StoreError> {
        self.place.check(StoreErrorKind::Failed)?;
        let is_stored = self.has_id(list.number(), *digest, expires_at.as_secs()).map_err(|error| failed(&error))?;
        is_stored.ok_or(StoreError::new(StoreErrorKind::Removed))
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
        let stored = FileNotices(&self.database)
            .put(client, digest, (tokens, expires_at), room)
            .map_err(|error| failed(&error))?;
        self.place.check(StoreErrorKind::Failed)?;
        Ok(stored)
    }

    fn notices_after(&self, sequence: u64) -> Result<NoticePage, StoreError> {
        self.place.check(StoreErrorKind::Failed)?;
        FileNotices(&self.database).after(sequence).map_err(|error| failed(&error))
    }

    fn find_notices(&self, digests: &[[u8; 32]], expires_at: UnixTime) -> Result<FoundNotices, StoreError> {
        self.place.check(StoreErrorKind::Failed)?;
        FileNotices(&self.database).find(digests, expires_at).map_err(|error| failed(&error))
    }

    fn secret_hashes(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.read_secret_hashes().map_err(|error| failed(&error))
    }

    fn put_secret_hash(&self, client_id: &str, hash: &str) -> Result<(), StoreError> {
        self.write_secret_hash(client_id, hash).map_err(|error| failed(&error))?;
        self.place.check(StoreErrorKind::Failed)
    }

    fn statuses(&self) -> Option<&dyn StatusStore> {
        Some(self)
    }

    fn may_wait(&self) -> bool {
        false
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore").finish_non_exhaustive()
    }
}

pub(super) fn failed(error: &redb::Error) -> StoreError {
    StoreError::new(StoreErrorKind::Failed).with_detail(error.to_string())
}

/// Opens or creates the file; only its owner may have access.
fn private_file(path: &Path) -> Result<File, ConfigError> {
    let fault = |problem: String| ConfigError::new("store", problem);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|error| fault(format!("the file cannot be opened: {error}")))?;
    if !file.metadata().is_ok_and(|about| about.is_file()) {
        return Err(fault("not a regular file, but a pipe or device; name a file".to_owned()));
    }
    super::seal::check_mode(&file, "store")?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s8_15_a_file_of_an_older_form_keeps_its_revocations() {
        let path = std::env::temp_dir().join(format!("countersign-old-{}.redb", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let old = Database::builder()
            .create_with_backend(FileBackend::new(private_file(&path).expect("a file")).expect("a lock"));
        let old = old.expect("a database");
        let write = old.begin_write().expect("a transaction");
        write.open_table(OLD_IDS).expect("a table").insert((1, [7; 32]), 500).expect("inserted");
        write.open_table(OLD_COUNTS).expect("a table").insert(1, 1).expect("inserted");
        write.commit().expect("written");
        drop(old);
        for _ in 0..2 {
            let store = FileStore::open(&path).expect("a store").max_ids(1);
            assert_eq!(store.contains_id(IdList::RevokedTokens, &[7; 32], UnixTime::from_secs(500)), Ok(true));
            let (end, now) = (UnixTime::from_secs(500), UnixTime::from_secs(10));
            let inserted = store.insert_id(IdList::RevokedTokens, "", &[8; 32], end, now);
            assert_eq!(inserted, Ok(Insertion::Full), "it counts");
        }
        std::fs::remove_file(&path).expect("removed");
    }
}
