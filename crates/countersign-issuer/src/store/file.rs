//! State in one file, for one instance: crash-safe, by the embedded database redb.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::path::Path;

use countersign_core::clock::UnixTime;
use countersign_core::error::ConfigError;
use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};

use super::{List, MAX_NAMES, Remembered, Store, StoreError, StoredKeys};

/// Under its only entry: the version, then the keys.
const KEYS: TableDefinition<'_, (), (u64, &[u8])> = TableDefinition::new("keys");

/// By list and name: when it ends, in seconds.
const NAMES: TableDefinition<'_, (u8, [u8; 32]), u64> = TableDefinition::new("names");

/// How many names each list holds.
const COUNTS: TableDefinition<'_, u8, u64> = TableDefinition::new("counts");

/// By client: its upgraded hash.
const SECRETS: TableDefinition<'_, &str, &str> = TableDefinition::new("secrets");

/// Keeps the state of one instance in one file. Every write has reached the disk before it is answered.
///
/// The file is made readable by its owner alone, and refused where others may read or write it.
pub struct FileStore(Database);

impl FileStore {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// `ConfigError` where the file cannot be used, is open to others, or is in use by another process.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let file = private_file(path.as_ref())?;
        let unusable = |error: &dyn fmt::Display| ConfigError::new("store", format!("the file is not usable: {error}"));
        let file = FileBackend::new(file).map_err(|error| unusable(&error))?; // locks it
        let database = redb::Builder::new().create_with_backend(file).map_err(|error| unusable(&error))?;
        let store = FileStore(database);
        store.make_tables().map_err(|error| unusable(&error))?;
        Ok(store)
    }

    /// So that no reader finds a table missing.
    fn make_tables(&self) -> Result<(), redb::Error> {
        let write = self.0.begin_write()?;
        write.open_table(KEYS)?;
        write.open_table(NAMES)?;
        write.open_table(COUNTS)?;
        write.open_table(SECRETS)?;
        Ok(write.commit()?)
    }

    fn read_keys(&self) -> Result<Option<StoredKeys>, redb::Error> {
        let table = self.0.begin_read()?.open_table(KEYS)?;
        let stored = table.get(())?;
        Ok(stored.map(|stored| {
            let (version, keys) = stored.value();
            StoredKeys { version, keys: keys.to_vec() }
        }))
    }

    fn write_keys(&self, seen: u64, keys: &[u8]) -> Result<bool, redb::Error> {
        let write = self.0.begin_write()?;
        {
            let mut table = write.open_table(KEYS)?;
            let version = table.get(())?.map_or(0, |stored| stored.value().0);
            if version != seen {
                return Ok(false);
            }
            table.insert((), (seen.saturating_add(1), keys))?;
        }
        write.commit()?;
        Ok(true)
    }

    fn write_name(&self, list: u8, name: [u8; 32], ends: u64, now: u64) -> Result<Remembered, redb::Error> {
        let write = self.0.begin_write()?;
        {
            let mut names = write.open_table(NAMES)?;
            let mut counts = write.open_table(COUNTS)?;
            if names.get((list, name))?.is_some() {
                return Ok(Remembered::Known);
            }
            let mut count = counts.get(list)?.map_or(0, |count| count.value());
            if count >= MAX_NAMES {
                names.retain_in((list, [0; 32])..=(list, [255; 32]), |_, ends| now < ends)?;
                // Lists share the table: all names, less those of the others.
                let others = counts.iter()?.filter_map(Result::ok).filter(|(other, _)| other.value() != list);
                let others = others.map(|(_, count)| count.value()).sum::<u64>();
                count = names.len()?.saturating_sub(others);
                counts.insert(list, count)?;
            }
            if count >= MAX_NAMES {
                return Ok(Remembered::Full); // what was swept is swept again next time
            }
            names.insert((list, name), ends)?;
            counts.insert(list, count.saturating_add(1))?;
        }
        write.commit()?;
        Ok(Remembered::New)
    }

    fn has_name(&self, list: u8, name: [u8; 32]) -> Result<bool, redb::Error> {
        Ok(self.0.begin_read()?.open_table(NAMES)?.get((list, name))?.is_some())
    }

    fn read_secrets(&self) -> Result<Vec<(String, String)>, redb::Error> {
        let table = self.0.begin_read()?.open_table(SECRETS)?;
        let mut secrets = Vec::new();
        for entry in table.iter()? {
            let (client, stored) = entry?;
            secrets.push((client.value().to_owned(), stored.value().to_owned()));
        }
        Ok(secrets)
    }

    fn write_secret(&self, client: &str, stored: &str) -> Result<(), redb::Error> {
        let write = self.0.begin_write()?;
        write.open_table(SECRETS)?.insert(client, stored)?;
        Ok(write.commit()?)
    }
}

impl Store for FileStore {
    fn keys(&self) -> Result<Option<StoredKeys>, StoreError> {
        self.read_keys().map_err(|error| failed(&error))
    }

    fn replace_keys(&self, seen: u64, keys: &[u8]) -> Result<bool, StoreError> {
        self.write_keys(seen, keys).map_err(|error| failed(&error))
    }

    fn remember(&self, list: List, name: &[u8; 32], ends: UnixTime, now: UnixTime) -> Result<Remembered, StoreError> {
        self.write_name(list.number(), *name, ends.as_secs(), now.as_secs()).map_err(|error| failed(&error))
    }

    fn remembers(&self, list: List, name: &[u8; 32]) -> Result<bool, StoreError> {
        self.has_name(list.number(), *name).map_err(|error| failed(&error))
    }

    fn secrets(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.read_secrets().map_err(|error| failed(&error))
    }

    fn put_secret(&self, client: &str, stored: &str) -> Result<(), StoreError> {
        self.write_secret(client, stored).map_err(|error| failed(&error))
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore").finish_non_exhaustive()
    }
}

fn failed(error: &redb::Error) -> StoreError {
    StoreError::new(error.to_string())
}

/// The file, made for its owner alone or found so (S8.28).
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
