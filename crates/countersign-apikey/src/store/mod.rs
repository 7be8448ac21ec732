//! Stores of keys.

mod file;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use countersign_core::clock::UnixTime;
use serde::{Deserialize, Serialize};

pub use file::FileKeyStore;
pub use memory::MemoryKeyStore;
#[cfg(feature = "postgres")]
pub use postgres::PostgresKeyStore;

/// The most keys of a store.
pub(crate) const MAX_KEYS: usize = 100_000;

/// The result of a call to a store, later; [`ApiKeyStore`] has an example.
pub type StoreFuture<T> = Pin<Box<dyn Future<Output = Result<T, ApiKeyStoreError>> + Send>>;

/// Stores keys. [`ApiKeys`](crate::ApiKeys) reads all of them into the memory of each service, and later only what changed, so
/// a request asks no store.
///
/// A store needs no secret: what it stores about a key is an HMAC of it.
///
/// A store that counts reads, around another one:
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use countersign_apikey::{ApiKeyStore, Changes, MemoryKeyStore, StoreFuture, StoredKey};
/// use countersign_core::clock::UnixTime;
///
/// #[derive(Debug, Default)]
/// struct Counted { keys: MemoryKeyStore, reads: AtomicU64 }
///
/// impl ApiKeyStore for Counted {
///     fn changes(&self, after: u64) -> StoreFuture<Changes> {
///         self.reads.fetch_add(1, Ordering::Relaxed);
///         self.keys.changes(after)
///     }
///     fn put(&self, key: StoredKey) -> StoreFuture<bool> {
///         self.keys.put(key)
///     }
///     fn remove(&self, id: String, version: u64) -> StoreFuture<bool> {
///         self.keys.remove(id, version)
///     }
///     fn record_uses(&self, uses: Vec<(String, UnixTime)>) -> StoreFuture<()> {
///         self.keys.record_uses(uses)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store of API keys",
    note = "use `MemoryKeyStore`, `FileKeyStore` or `PostgresKeyStore`, or implement `ApiKeyStore`"
)]
pub trait ApiKeyStore: fmt::Debug + Send + Sync + 'static {
    /// Creates the place for keys if it is missing. Called before a key is made, and never by a service that only checks keys.
    /// By default there is nothing to create.
    ///
    /// # Errors
    /// `ApiKeyStoreError` if it cannot be created.
    fn prepare(&self) -> StoreFuture<()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// The changes after this revision of the store; after 0, all keys. A change that was acknowledged before the call is part
    /// of them.
    ///
    /// # Errors
    /// `ApiKeyStoreError` if the store cannot be read.
    fn changes(&self, after: u64) -> StoreFuture<Changes>;

    /// Writes a key whose [`version`](StoredKey::version) is one more than that in the store, which is 0 for a key that is not
    /// there. Returns `false`, and writes nothing, if it is another one. Neither reads nor writes its
    /// [`last_used_at`](StoredKey::last_used_at).
    ///
    /// # Errors
    /// `ApiKeyStoreError` if the outcome is unknown.
    fn put(&self, key: StoredKey) -> StoreFuture<bool>;

    /// Removes a key of this version. Returns `false` if the store has another version, or none.
    ///
    /// # Errors
    /// `ApiKeyStoreError` if the outcome is unknown.
    fn remove(&self, id: String, version: u64) -> StoreFuture<bool>;

    /// Records uses of keys by their ids, unless a later one is recorded. This changes no revision.
    ///
    /// # Errors
    /// `ApiKeyStoreError` if the outcome is unknown.
    fn record_uses(&self, uses: Vec<(String, UnixTime)>) -> StoreFuture<()>;
}

impl<S: ApiKeyStore + ?Sized> ApiKeyStore for Arc<S> {
    fn prepare(&self) -> StoreFuture<()> {
        (**self).prepare()
    }

    fn changes(&self, after: u64) -> StoreFuture<Changes> {
        (**self).changes(after)
    }

    fn put(&self, key: StoredKey) -> StoreFuture<bool> {
        (**self).put(key)
    }

    fn remove(&self, id: String, version: u64) -> StoreFuture<bool> {
        (**self).remove(id, version)
    }

    fn record_uses(&self, uses: Vec<(String, UnixTime)>) -> StoreFuture<()> {
        (**self).record_uses(uses)
    }
}

/// Runs a call of a store that blocks, on a thread for such work.
fn blocking<P: Send + Sync + 'static, T: Send + 'static>(
    place: &Arc<P>,
    work: impl FnOnce(&P) -> Result<T, ApiKeyStoreError> + Send + 'static,
) -> StoreFuture<T> {
    let place = Arc::clone(place);
    Box::pin(async move {
        let done = tokio::task::spawn_blocking(move || work(&place)).await;
        done.unwrap_or_else(|_| Err(ApiKeyStoreError::new("the thread that uses the store of API keys has ended")))
    })
}

/// The changes of a store since an earlier read; [`ApiKeyStore`] has an example.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Changes {
    /// The revision that the store has with them.
    pub revision: u64,
    /// The keys that changed.
    pub keys: Vec<StoredKey>,
    /// The ids of the keys that were removed.
    pub removed: Vec<String>,
    /// True if `keys` are all keys, and every other one is gone.
    pub is_complete: bool,
}

impl Changes {
    /// All keys of a store.
    #[must_use]
    pub fn complete(revision: u64, keys: Vec<StoredKey>) -> Self {
        Changes { revision, keys, removed: Vec::new(), is_complete: true }
    }

    /// The changes of some keys.
    #[must_use]
    pub fn partial(revision: u64, keys: Vec<StoredKey>, removed: Vec<String>) -> Self {
        Changes { revision, keys, removed, is_complete: false }
    }
}

/// A key in a store; [`ApiKeyStore`] has an example. Times are seconds since 1970.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(deny_unknown_fields)]
pub struct StoredKey {
    /// The id, which is part of the key.
    pub id: String,
    /// The number of writes.
    pub version: u64,
    /// The HMAC-SHA-256 of the key under the pepper, in hexadecimal digits.
    pub mac: String,
    /// The client.
    pub client: String,
    /// The subject, if it is not the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The services that take the key.
    pub audiences: Vec<String>,
    /// The scopes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The permissions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<String>,
    /// The tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The note for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The time at which the key was made.
    pub created_at: u64,
    /// The time from which it is refused.
    pub expires_at: u64,
    /// The time at which it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<u64>,
    /// The latest use that was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<u64>,
}

impl StoredKey {
    pub(crate) fn is_valid_at(&self, now: UnixTime) -> bool {
        self.revoked_at.is_none() && now < UnixTime::from_secs(self.expires_at)
    }
}

/// Hides the HMAC, which tells whether a guess is right to those who have the pepper.
impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredKey").field("id", &self.id).field("version", &self.version).finish_non_exhaustive()
    }
}

/// A store that cannot be read or written now.
///
/// ```
/// use countersign_apikey::ApiKeyStoreError;
///
/// assert_eq!(ApiKeyStoreError::new("the database does not answer").to_string(), "the database does not answer");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyStoreError(String);

impl ApiKeyStoreError {
    /// An error with its description for the operator, which holds no secret.
    #[must_use]
    pub fn new(detail: impl Into<String>) -> Self {
        ApiKeyStoreError(detail.into())
    }
}

impl fmt::Display for ApiKeyStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ApiKeyStoreError {}
