//! State in one crash-safe file, for one instance, with the embedded database redb.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::path::Path;

use countersign_core::clock::UnixTime;
use countersign_core::error::ConfigError;
use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};

use super::interface::MAX_IDS;
use super::{IdList, Insertion, Store, StoreError, StoreErrorKind, StoredKeys};

/// The version and the keys, in the only entry.
const KEYS: TableDefinition<'_, (), (u64, &[u8])> = TableDefinition::new("keys");

/// The expiry of each id in seconds, by list and digest.
const IDS: TableDefinition<'_, (u8, [u8; 32]), u64> = TableDefinition::new("ids");

/// The number of ids in each list.
const COUNTS: TableDefinition<'_, u8, u64> = TableDefinition::new("counts");

/// The upgraded secret hash of each client.
const SECRET_HASHES: TableDefinition<'_, &str, &str> = TableDefinition::new("secret_hashes");

/// Stores the state of one instance in one file. Every write reaches the disk before it is acknowledged.
///
/// The file is created with mode 0600. A file that others may read or write is refused.
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
pub struct FileStore(Database);

impl FileStore {
    /// Opens the file, or creates it.
    ///
    /// # Errors
    /// `ConfigError` if the file is not usable, is accessible to others, or is in use by another process.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let file = private_file(path.as_ref())?;
        let unusable = |error: &dyn fmt::Display| ConfigError::new("store", format!("the file is not usable: {error}"));
        let file = FileBackend::new(file).map_err(|error| unusable(&error))?; // locks it
        let database = redb::Builder::new().create_with_backend(file).map_err(|error| unusable(&error))?;
        let store = FileStore(database);
        store.create_tables().map_err(|error| unusable(&error))?;
        Ok(store)
    }

    /// Creates the tables, so that no reader finds one missing.
    fn create_tables(&self) -> Result<(), redb::Error> {
        let write = self.0.begin_write()?;
        write.open_table(KEYS)?;
        write.open_table(IDS)?;
        write.open_table(COUNTS)?;
        write.open_table(SECRET_HASHES)?;
        Ok(write.commit()?)
    }

    fn read_keys(&self) -> Result<Option<StoredKeys>, redb::Error> {
        let table = self.0.begin_read()?.open_table(KEYS)?;
        let stored = table.get(())?;
        Ok(stored.map(|stored| {
            let (version, keys) = stored.value();
            StoredKeys::new(version, keys.to_vec())
        }))
    }

    fn write_keys(&self, expected_version: u64, keys: &[u8]) -> Result<bool, redb::Error> {
        let write = self.0.begin_write()?;
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

    fn write_id(&self, list: u8, digest: [u8; 32], expires_at: u64, now: u64) -> Result<Insertion, redb::Error> {
        let write = self.0.begin_write()?;
        {
            let mut ids = write.open_table(IDS)?;
            let mut counts = write.open_table(COUNTS)?;
            if ids.get((list, digest))?.is_some() {
                return Ok(Insertion::Present);
            }
            let mut count = counts.get(list)?.map_or(0, |count| count.value());
            if count >= MAX_IDS {
                ids.retain_in((list, [0; 32])..=(list, [255; 32]), |_, expires_at| now < expires_at)?;
                // The lists share one table: subtract the ids of the other lists.
                let others = counts.iter()?.filter_map(Result::ok).filter(|(other, _)| other.value() != list);
                let others = others.map(|(_, count)| count.value()).sum::<u64>();
                count = ids.len()?.saturating_sub(others);
                counts.insert(list, count)?;
            }
            if count >= MAX_IDS {
                return Ok(Insertion::Full); // uncommitted: the next call removes expired ids again
            }
            ids.insert((list, digest), expires_at)?;
            counts.insert(list, count.saturating_add(1))?;
        }
        write.commit()?;
        Ok(Insertion::New)
    }

    fn has_id(&self, list: u8, digest: [u8; 32]) -> Result<bool, redb::Error> {
        Ok(self.0.begin_read()?.open_table(IDS)?.get((list, digest))?.is_some())
    }

    fn read_secret_hashes(&self) -> Result<Vec<(String, String)>, redb::Error> {
        let table = self.0.begin_read()?.open_table(SECRET_HASHES)?;
        let mut hashes = Vec::new();
        for entry in table.iter()? {
            let (client, hash) = entry?;
            hashes.push((client.value().to_owned(), hash.value().to_owned()));
        }
        Ok(hashes)
    }

    fn write_secret_hash(&self, client_id: &str, hash: &str) -> Result<(), redb::Error> {
        let write = self.0.begin_write()?;
        write.open_table(SECRET_HASHES)?.insert(client_id, hash)?;
        Ok(write.commit()?)
    }
}

impl Store for FileStore {
    fn keys(&self) -> Result<Option<StoredKeys>, StoreError> {
        self.read_keys().map_err(|error| failed(&error))
    }

    fn replace_keys(&self, expected_version: u64, keys: &[u8]) -> Result<bool, StoreError> {
        self.write_keys(expected_version, keys).map_err(|error| failed(&error))
    }

    fn insert_id(
        &self,
        list: IdList,
        digest: &[u8; 32],
        expires_at: UnixTime,
        now: UnixTime,
    ) -> Result<Insertion, StoreError> {
        self.write_id(list.number(), *digest, expires_at.as_secs(), now.as_secs()).map_err(|error| failed(&error))
    }

    fn contains_id(&self, list: IdList, digest: &[u8; 32]) -> Result<bool, StoreError> {
        self.has_id(list.number(), *digest).map_err(|error| failed(&error))
    }

    fn secret_hashes(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.read_secret_hashes().map_err(|error| failed(&error))
    }

    fn put_secret_hash(&self, client_id: &str, hash: &str) -> Result<(), StoreError> {
        self.write_secret_hash(client_id, hash).map_err(|error| failed(&error))
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore").finish_non_exhaustive()
    }
}

fn failed(error: &redb::Error) -> StoreError {
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
    super::seal::check_mode(&file, "store")?;
    Ok(file)
}
