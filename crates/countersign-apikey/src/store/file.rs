//! Keys in a file, for one writer at a time and any number of readers.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use countersign::integration::{read_text, replace_file};
use countersign_core::clock::UnixTime;
use serde::{Deserialize, Serialize};

use super::memory::Keys;
use super::{ApiKeyStore, ApiKeyStoreError, Changes, StoreFuture, StoredKey, blocking};

/// The largest file, in bytes.
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// The longest wait for another writer.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Stores keys in a file of JSON. Services read it, also from a mounted volume, while the command `countersign apikey` or another
/// service writes it.
///
/// A write puts a whole new file in the place of the old one, so that a reader or a crash never finds half of one. Writers take
/// turns by a lock on a second file with the ending `.lock`. The file holds no secret: an HMAC of each key is of no use without
/// the pepper, and the pepper belongs elsewhere. But whoever can write the file can make keys, so it is created with mode 0600.
///
/// The first key creates the file. A service cannot read one that is not there, so it answers 503 until then.
///
/// ```
/// use countersign_apikey::FileKeyStore;
///
/// let store = FileKeyStore::new("/var/lib/orders/api-keys.json");
/// # let _ = store;
/// ```
#[derive(Clone, Debug)]
pub struct FileKeyStore(Arc<Place>);

#[derive(Debug)]
struct Place(PathBuf);

/// The content of a file.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Content {
    revision: u64,
    keys: Vec<StoredKey>,
}

impl FileKeyStore {
    /// The file at this path.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        FileKeyStore(Arc::new(Place(path.into())))
    }

    /// Changes the keys under the lock of the writers.
    fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Keys) -> Result<T, ApiKeyStoreError> + Send + 'static,
    ) -> StoreFuture<T> {
        blocking(&self.0, |place| {
            let _lock = place.lock()?;
            let mut keys = place.read()?.ok_or_else(|| place.is_missing())?;
            let done = change(&mut keys)?;
            place.write(keys)?;
            Ok(done)
        })
    }
}

impl Place {
    fn failed(&self, what: &str, error: &io::Error) -> ApiKeyStoreError {
        ApiKeyStoreError::new(format!("the file of API keys {} cannot be {what}: {error}", self.0.display()))
    }

    fn is_missing(&self) -> ApiKeyStoreError {
        ApiKeyStoreError::new(format!(
            "there is no file of API keys {}; the first key that is made creates it",
            self.0.display()
        ))
    }

    fn lock(&self) -> Result<File, ApiKeyStoreError> {
        let mut name = self.0.clone().into_os_string();
        name.push(".lock");
        let lock = open_lock(Path::new(&name)).map_err(|error| self.failed("locked", &error))?;
        let started = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::WouldBlock) if started.elapsed() < MAX_WAIT => std::thread::sleep(MAX_WAIT / 500),
                Err(error) => return Err(self.failed("locked", &error.into())),
            }
        }
    }

    /// The keys; `None` if there is no file.
    fn read(&self) -> Result<Option<Keys>, ApiKeyStoreError> {
        let text = match read_text(&self.0, MAX_BYTES) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("read", &error)),
        };
        // Not the message of the parser, which repeats values.
        let content: Content = serde_json::from_str(&text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let place = self.0.display();
            ApiKeyStoreError::new(format!("{place} is not a file of API keys: see line {line}, column {column}"))
        })?;
        let keys = content.keys.into_iter().map(|key| (key.id.clone(), key)).collect();
        Ok(Some(Keys { revision: content.revision, keys }))
    }

    fn write(&self, Keys { revision, keys }: Keys) -> Result<(), ApiKeyStoreError> {
        let content = Content { revision, keys: keys.into_values().collect() };
        let failed = |error: io::Error| self.failed("written", &error);
        let mut text = serde_json::to_vec_pretty(&content).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        replace_file(&self.0, &text, 0o600).map_err(failed)
    }
}

/// A file's first keys. Its revisions begin at another number than those of a file that was there before.
fn new_keys() -> Keys {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Keys { revision: u64::try_from(since_1970.as_millis()).unwrap_or(1).max(1), ..Keys::default() }
}

/// Opens a file that only its owner can read and write.
fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

impl ApiKeyStore for FileKeyStore {
    fn prepare(&self) -> StoreFuture<()> {
        blocking(&self.0, |place| {
            if fs::exists(&place.0).unwrap_or(true) {
                return Ok(());
            }
            let _lock = place.lock()?;
            match place.read()? {
                Some(_) => Ok(()), // made meanwhile
                None => place.write(new_keys()),
            }
        })
    }

    fn changes(&self, after: u64) -> StoreFuture<Changes> {
        blocking(&self.0, move |place| match place.read()? {
            Some(keys) => Ok(keys.changes(after)),
            None => Err(place.is_missing()),
        })
    }

    fn put(&self, key: StoredKey) -> StoreFuture<bool> {
        self.change(|keys| keys.put(key))
    }

    fn remove(&self, id: String, version: u64) -> StoreFuture<bool> {
        self.change(move |keys| Ok(keys.remove(&id, version)))
    }

    fn record_uses(&self, uses: Vec<(String, UnixTime)>) -> StoreFuture<()> {
        self.change(|keys| {
            keys.record_uses(uses);
            Ok(())
        })
    }
}
