//! What outlives a restart, and what several instances share: keys, names that are good once or no more, upgraded secrets.

#[cfg(feature = "file")]
mod file;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod seal;

use std::borrow::Cow;
use std::fmt;

use countersign_core::clock::UnixTime;

#[cfg(feature = "file")]
pub use file::FileStore;
pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
pub use seal::StoreKey;

/// The most names of one list held at once.
pub(crate) const MAX_NAMES: u64 = 100_000;

/// Keeps an issuer's state. What a call has answered is kept: after a crash it is still there.
///
/// The methods block. The issuer calls those of a store that is not [quick](Self::is_quick) off the runtime's threads. One
/// store serves one issuer; several instances of it may share a store that says so.
///
/// ```
/// use std::sync::Arc;
/// use countersign_issuer::{FileStore, Issuer};
///
/// let path = std::env::temp_dir().join(format!("issuer-doc-{}.redb", std::process::id()));
/// let issuer = |store| Issuer::builder("http://127.0.0.1:4000").store(Arc::new(store)).build();
/// let first = issuer(FileStore::open(&path)?)?.keys();
/// let again = issuer(FileStore::open(&path)?)?.keys();
/// assert_eq!(first, again);
/// std::fs::remove_file(&path).ok();
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The keys as they were last written, where they ever were.
    ///
    /// # Errors
    /// `StoreError` where it cannot be said.
    fn keys(&self) -> Result<Option<StoredKeys>, StoreError>;

    /// Writes the keys as version `seen + 1`; `false` where the version is not `seen` any more (0: never written).
    ///
    /// # Errors
    /// `StoreError` where it cannot be known whether they are written.
    fn replace_keys(&self, seen: u64, keys: &[u8]) -> Result<bool, StoreError>;

    /// Remembers a name until `ends`. Of two at once, one is told that it is new.
    ///
    /// # Errors
    /// `StoreError` where it cannot be known whether it is remembered.
    fn remember(&self, list: List, name: &[u8; 32], ends: UnixTime, now: UnixTime) -> Result<Remembered, StoreError>;

    /// Whether a name is remembered.
    ///
    /// # Errors
    /// `StoreError` where it cannot be said.
    fn remembers(&self, list: List, name: &[u8; 32]) -> Result<bool, StoreError>;

    /// The upgraded hashes, by client.
    ///
    /// # Errors
    /// `StoreError` where they cannot be read.
    fn secrets(&self) -> Result<Vec<(String, String)>, StoreError>;

    /// Writes a client's upgraded hash over an older one.
    ///
    /// # Errors
    /// `StoreError` where it cannot be known whether it is written.
    fn put_secret(&self, client: &str, stored: &str) -> Result<(), StoreError>;

    /// Whether its methods neither block nor wait.
    fn is_quick(&self) -> bool {
        false
    }
}

/// The keys of an issuer, opaque to its store, and how often they were written.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredKeys {
    /// One more with each write.
    pub version: u64,
    /// What was written.
    pub keys: Vec<u8>,
}

/// Lists of names, each with its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum List {
    /// Tokens that are taken back.
    Revoked,
    /// Client assertions that were used.
    Used,
}

/// What came of remembering a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remembered {
    /// It was not there before.
    New,
    /// It was.
    Known,
    /// 100,000 names that have not ended are there already: this one is not.
    Full,
}

/// The store could not do its part; it may be able to later.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct StoreError(Cow<'static, str>);

impl StoreError {
    /// `detail` goes to the log; it must hold nothing secret.
    pub fn new(detail: impl Into<Cow<'static, str>>) -> Self {
        StoreError(detail.into())
    }

    pub(crate) const fn fixed(detail: &'static str) -> Self {
        StoreError(Cow::Borrowed(detail))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the issuer's state could not be kept: {}", self.0)
    }
}

impl std::error::Error for StoreError {}

impl fmt::Debug for StoredKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredKeys").field("version", &self.version).finish_non_exhaustive()
    }
}

impl List {
    /// Its number in tables; never to be changed.
    #[cfg(any(feature = "file", feature = "postgres"))]
    pub(crate) const fn number(self) -> u8 {
        match self {
            List::Revoked => 1,
            List::Used => 2,
        }
    }
}
