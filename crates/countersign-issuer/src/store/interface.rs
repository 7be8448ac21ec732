//! The interface of a store.

use std::fmt;
use std::sync::Arc;

use countersign_core::clock::UnixTime;
use countersign_core::revocation::RevokedTokens;

use super::status::StatusStore;
use super::{FoundNotices, NoticePage, StoreError, StoreErrorKind};

/// The most ids of one list that are stored at once, unless set.
pub(super) const MAX_IDS: u64 = 100_000;

/// Stores the state of an issuer. Every acknowledged write survives a crash.
///
/// The methods may block. The issuer calls those of a [blocking](Self::is_blocking) store off the runtime's threads. A
/// store serves one issuer; several instances of that issuer may share it if the store supports it.
///
/// ```
/// use std::sync::Arc;
/// use countersign_issuer::{FileStore, Issuer};
///
/// let path = std::env::temp_dir().join(format!("issuer-doc-{}.redb", std::process::id()));
/// let issuer = |store| Issuer::builder("http://127.0.0.1:4000").store(Arc::new(store)).build();
/// let first = issuer(FileStore::open(&path)?)?.keys();
/// let restarted = issuer(FileStore::open(&path)?)?.keys();
/// assert_eq!(first, restarted);
/// std::fs::remove_file(&path).ok();
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store of an issuer's state",
    note = "use `MemoryStore`, `FileStore` or `PostgresStore`, or implement `Store`"
)]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The signing keys as last written; `None` if they were never written.
    ///
    /// # Errors
    /// `StoreError` if they cannot be read.
    fn keys(&self) -> Result<Option<StoredKeys>, StoreError>;

    /// Writes the signing keys as version `expected_version + 1`. Returns `false`, and writes nothing, if the stored version
    /// is another one. The version is 0 before the first write.
    ///
    /// # Errors
    /// `StoreError` if the outcome is unknown.
    fn replace_keys(&self, expected_version: u64, keys: &[u8]) -> Result<bool, StoreError>;

    /// Calls `changed` soon after another instance has written the keys, if the store learns of it, so that a key that was
    /// revoked elsewhere is refused at once. Calls without a change are harmless. `changed` does not block. Default: never;
    /// the keys are read every 5 s.
    fn watch_keys(&self, _changed: Arc<dyn Fn() + Send + Sync>) {}

    /// Stores the digest of an id until `expires_at`. Of two concurrent calls, one returns [`Insertion::New`]. An id that is
    /// stored already is kept until the later of both times.
    ///
    /// The id takes a place of `client`; the issuer itself has an empty name. A client may have as many ids in a list as are
    /// still free, so that none can fill it for the others. The ids that expire until `expired_before` may be removed. A
    /// store has no other measure of time: the issuer knows whether its clock was set. It stores the latest expiry of the ids
    /// that it removed, because a clock that was wrong from the start removes ids of tokens that are still valid.
    ///
    /// # Errors
    /// `StoreError` if the outcome is unknown.
    fn insert_id(
        &self,
        list: IdList,
        client: &str,
        digest: &[u8; 32],
        expires_at: UnixTime,
        expired_before: UnixTime,
    ) -> Result<Insertion, StoreError>;

    /// Returns whether the digest of an id that expires at `expires_at` is stored.
    ///
    /// # Errors
    /// `StoreError` if it cannot be read, or if it is not stored and ids with this or a later expiry were removed before:
    /// then nobody knows whether it was there ([`StoreErrorKind::Removed`](super::StoreErrorKind::Removed)).
    fn contains_id(&self, list: IdList, digest: &[u8; 32], expires_at: UnixTime) -> Result<bool, StoreError>;

    /// Stores a revocation until `expires_at`, under the digest of its name. One that is stored already reaches as far as both,
    /// and gets a new number if that is further. Places and removal are as for [`insert_id`](Self::insert_id); the outcome is
    /// never [`Insertion::Unknown`].
    ///
    /// Numbers begin at 1. None may become readable below another one that was read: instances follow the list by them.
    ///
    /// # Errors
    /// `StoreError` if the outcome is unknown, or if the store keeps no revocations, as by default.
    fn put_notice(
        &self,
        _client: &str,
        _digest: &[u8; 32],
        _tokens: &RevokedTokens,
        _expires_at: UnixTime,
        _expired_before: UnixTime,
    ) -> Result<Insertion, StoreError> {
        Err(StoreError::new(StoreErrorKind::Unsupported))
    }

    /// The revocations with a number above `sequence`, lowest first, or the first thousand or so of them.
    ///
    /// # Errors
    /// `StoreError` if they cannot be read, or if the store keeps none, as by default.
    fn notices_after(&self, _sequence: u64) -> Result<NoticePage, StoreError> {
        Err(StoreError::new(StoreErrorKind::Unsupported))
    }

    /// The revocations with these digests, for a token that expires at `expires_at`.
    ///
    /// # Errors
    /// `StoreError` if they cannot be read, or if the store keeps none, as by default.
    fn find_notices(&self, _digests: &[[u8; 32]], _expires_at: UnixTime) -> Result<FoundNotices, StoreError> {
        Err(StoreError::new(StoreErrorKind::Unsupported))
    }

    /// The upgraded secret hashes, each with the id of its client.
    ///
    /// # Errors
    /// `StoreError` if they cannot be read.
    fn secret_hashes(&self) -> Result<Vec<(String, String)>, StoreError>;

    /// Writes the upgraded secret hash of a client, in place of an older one.
    ///
    /// # Errors
    /// `StoreError` if the outcome is unknown.
    fn put_secret_hash(&self, client_id: &str, hash: &str) -> Result<(), StoreError>;

    /// The statuses of tokens, for issuers with [status lists](crate::IssuerBuilder::status_lists). Default: it stores none.
    fn statuses(&self) -> Option<&dyn StatusStore> {
        None
    }

    /// Returns whether the methods may block. Default: `true`.
    fn is_blocking(&self) -> bool {
        true
    }

    /// Returns whether a read may wait for another process or machine. Default: as [`is_blocking`](Self::is_blocking). Such
    /// reads never delay a signature or a verification for long: they continue in the background.
    fn may_wait(&self) -> bool {
        self.is_blocking()
    }
}

/// The signing keys of an issuer, opaque to its store, and their version.
///
/// ```
/// use countersign_issuer::StoredKeys;
///
/// let stored = StoredKeys::new(1, b"opaque".to_vec());
/// assert_eq!(format!("{stored:?}"), "StoredKeys { version: 1, .. }");
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredKeys {
    /// The number of writes so far.
    pub version: u64,
    /// The written bytes. They hold private keys, so `Debug` hides them.
    pub keys: Vec<u8>,
}

impl StoredKeys {
    /// Keys as they were read from a store.
    #[must_use]
    pub fn new(version: u64, keys: Vec<u8>) -> Self {
        StoredKeys { version, keys }
    }
}

impl fmt::Debug for StoredKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredKeys").field("version", &self.version).finish_non_exhaustive()
    }
}

/// The lists of ids in a store. An id stays until it expires.
///
/// ```
/// use countersign_core::clock::UnixTime;
/// use countersign_issuer::{IdList, Insertion, MemoryStore, Store};
///
/// let (store, now) = (MemoryStore::new(), UnixTime::from_secs(0));
/// let insert = || store.insert_id(IdList::UsedAssertions, "orders", &[7; 32], UnixTime::from_secs(60), now);
/// assert_eq!(insert(), Ok(Insertion::New));
/// assert_eq!(insert(), Ok(Insertion::Present));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IdList {
    /// Revoked tokens, by `jti`.
    RevokedTokens,
    /// Used assertions: of clients, by client and `jti`, and of identity providers, by provider and `jti`.
    UsedAssertions,
    /// Used proofs of possession (DPoP), by key and `jti`.
    UsedProofs,
}

impl IdList {
    /// The number of the list in tables; it never changes.
    #[cfg(any(feature = "file", feature = "postgres"))]
    pub(super) const fn number(self) -> u8 {
        match self {
            IdList::RevokedTokens => 1,
            IdList::UsedAssertions => 2,
            IdList::UsedProofs => 3,
        }
    }
}

/// The outcome of [`Store::insert_id`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Insertion {
    /// The id was absent and is stored now.
    New,
    /// The id was absent and is stored now, but ids with this or a later expiry were removed before: it may have been there.
    Unknown,
    /// The id was already stored.
    Present,
    /// The client has its share of the list, or the list is full; the id is not stored.
    Full,
}
