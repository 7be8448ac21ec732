//! The store in PostgreSQL.

use std::fmt;
use std::sync::Arc;

use countersign_core::clock::UnixTime;
use countersign_core::error::ConfigError;
use countersign_core::revocation::RevokedTokens;
use countersign_core::secret::Secret;
use countersign_postgres::{Connection, Database, DatabaseError, DatabaseErrorKind, QueryResult, Row, ToSql};

use super::notices;
use super::statement::{self, MAX_REMOVED};
use crate::store::interface::MAX_IDS;
use crate::store::share::{Room, Sweeps};
use crate::store::status::StatusStore;
use crate::store::{FoundNotices, IdList, Insertion, NoticePage, Store, StoreError, StoreErrorKind, StoredKeys};

/// Stores the state in PostgreSQL. Instances that share it publish the same keys and rotate them once.
///
/// They hear of each other's changes of keys at once (`LISTEN`), or within 5 s behind a pooler that does not pass that on.
///
/// One database, or schema, serves one issuer. It is reached through a Unix socket, or by TCP with TLS, whose certificate must
/// have the name of the host. On a loopback address any user of the machine can listen while the database is down, receive its
/// password and answer in its place. So TCP without TLS is refused there too, and a socket in or below a folder that everybody
/// may write to, such as `/tmp`.
///
/// ```no_run
/// use std::sync::Arc;
/// use countersign_core::secret::Secret;
/// use countersign_issuer::{Issuer, PostgresStore};
///
/// let store = PostgresStore::connect(&Secret::from_env("ISSUER_DATABASE")?)?;
/// let issuer = Issuer::builder("https://sts.example.com").store(Arc::new(store)).build()?;
/// # let _ = issuer;
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
pub struct PostgresStore {
    database: Database,
    sweeps: Sweeps,
    notice_sweeps: Sweeps,
    max_ids: u64,
}

impl PostgresStore {
    /// Connects and creates missing tables. `settings` have the form of libpq, such as
    /// `host=/run/postgresql user=issuer dbname=issuer` for a socket. With a host name they may have `sslrootcert` (the trusted
    /// authorities as a PEM file, or `system`, the default), `sslcert` and `sslkey`; `sslmode` is always `verify-full`. The files
    /// are read for each connection.
    ///
    /// # Errors
    /// `ConfigError` if the settings are not usable or the database does not answer.
    pub fn connect(settings: &Secret<String>) -> Result<Self, ConfigError> {
        let database = Database::connect(settings, "countersign-issuer", statement::SCHEMA)?;
        Ok(PostgresStore { database, sweeps: Sweeps::default(), notice_sweeps: Sweeps::default(), max_ids: MAX_IDS })
    }

    /// The most ids of each list, and the most revocations. Default 100,000. Set the same number for every instance.
    #[must_use]
    pub fn max_ids(mut self, ids: u64) -> Self {
        self.max_ids = ids;
        self
    }

    /// Runs a query and blocks for its result.
    pub(super) fn run<T: Send + 'static>(
        &self,
        query: impl AsyncFnOnce(&Connection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.database.run(query).map_err(|error| failed(&error))
    }
}

impl Store for PostgresStore {
    fn keys(&self) -> Result<Option<StoredKeys>, StoreError> {
        let rows = self.run(async |connection: &Connection| connection.query(statement::READ_KEYS, &[]).await)?;
        let read = |row: &Row| -> Result<StoredKeys, DatabaseError> {
            let version: i64 = row.try_get(0)?;
            Ok(StoredKeys::new(u64::try_from(version).unwrap_or_default(), row.try_get(1)?))
        };
        rows.first().map(|row| read(row).map_err(|error| failed(&error))).transpose()
    }

    fn replace_keys(&self, expected_version: u64, keys: &[u8]) -> Result<bool, StoreError> {
        let (expected_version, keys) = (number(expected_version), keys.to_vec());
        let written = self.run(async move |connection: &Connection| {
            let written = match expected_version {
                0 => connection.execute(statement::INSERT_KEYS, &[&keys]).await,
                _ => connection.execute(statement::UPDATE_KEYS, &[&expected_version, &keys]).await,
            }?;
            if written == 1 {
                // Not before it is committed. If this is lost, others read the keys within 5 s.
                let _ = connection.execute(statement::NOTIFY_KEYS, &[]).await;
            }
            Ok(written)
        })?;
        Ok(written == 1)
    }

    fn watch_keys(&self, changed: Arc<dyn Fn() + Send + Sync>) {
        self.database.listen(statement::KEYS_CHANNEL, changed);
    }

    fn insert_id(
        &self,
        list: IdList,
        client: &str,
        digest: &[u8; 32],
        expires_at: UnixTime,
        expired_before: UnixTime,
    ) -> Result<Insertion, StoreError> {
        let (number_of_list, digest, client) = (i16::from(list.number()), digest.to_vec(), client.to_owned());
        let (expires_at, expired, max) =
            (number(expires_at.as_secs()), number(expired_before.as_secs()), number(self.max_ids));
        let may_sweep = self.sweeps.is_due(list, expired_before);
        let (inserted, has_swept) = self.run(async move |connection: &Connection| {
            let insert = async || -> QueryResult<Insertion> {
                let values: [&(dyn ToSql + Sync); 5] = [&number_of_list, &digest, &client, &expires_at, &max];
                let rows = connection.query(statement::INSERT_ID, &values).await?;
                let is = |column| rows.first().map_or(Ok(false), |row| row.try_get::<_, bool>(column));
                Ok(match (is(0)?, is(1)?, is(2)?, is(3)?) {
                    (true, _, false, false) => Insertion::New,
                    (true, _, false, true) => Insertion::Unknown,
                    (false, false, false, _) => Insertion::Full,
                    (false, true, false, _) => {
                        // Another instance stored it at this moment, perhaps with an earlier expiry.
                        connection.query(statement::INSERT_ID, &values).await?;
                        Insertion::Present
                    }
                    _ => Insertion::Present,
                })
            };
            let inserted = insert().await?;
            if inserted != Insertion::Full || !may_sweep {
                return Ok((inserted, false));
            }
            let rows = connection.query(statement::REMOVE_EXPIRED, &[&number_of_list, &expired]).await?;
            let removed = rows.first().map_or(Ok(0), |row| row.try_get::<_, i64>(0))?;
            Ok((insert().await?, removed < MAX_REMOVED))
        })?;
        if has_swept {
            self.sweeps.done(list, expired_before);
        }
        Ok(inserted)
    }

    fn contains_id(&self, list: IdList, digest: &[u8; 32], expires_at: UnixTime) -> Result<bool, StoreError> {
        let (list, digest) = (i16::from(list.number()), digest.to_vec());
        let expires_at = number(expires_at.as_secs());
        let (is_stored, may_be_removed) = self.run(async move |connection: &Connection| {
            let rows = connection.query(statement::FIND_ID, &[&list, &digest, &expires_at]).await?;
            let is = |column| rows.first().map_or(Ok(false), |row| row.try_get::<_, bool>(column));
            Ok((is(0)?, is(1)?))
        })?;
        match is_stored {
            false if may_be_removed => Err(StoreError::new(StoreErrorKind::Removed)),
            is_stored => Ok(is_stored),
        }
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
        notices::put(&self.database, client, digest, (tokens, expires_at), room).map_err(|error| failed(&error))
    }

    fn notices_after(&self, sequence: u64) -> Result<NoticePage, StoreError> {
        notices::after(&self.database, sequence).map_err(|error| failed(&error))
    }

    fn find_notices(&self, digests: &[[u8; 32]], expires_at: UnixTime) -> Result<FoundNotices, StoreError> {
        notices::find(&self.database, digests, expires_at).map_err(|error| failed(&error))
    }

    fn secret_hashes(&self) -> Result<Vec<(String, String)>, StoreError> {
        let read = async |connection: &Connection| connection.query(statement::READ_SECRET_HASHES, &[]).await;
        let rows = self.run(read)?;
        let read = |row: &Row| -> Result<(String, String), DatabaseError> { Ok((row.try_get(0)?, row.try_get(1)?)) };
        rows.iter().map(|row| read(row).map_err(|error| failed(&error))).collect()
    }

    fn put_secret_hash(&self, client_id: &str, hash: &str) -> Result<(), StoreError> {
        let (client_id, hash) = (client_id.to_owned(), hash.to_owned());
        let put = async move |connection: &Connection| {
            connection.execute(statement::PUT_SECRET_HASH, &[&client_id, &hash]).await.map(drop)
        };
        self.run(put)
    }

    fn statuses(&self) -> Option<&dyn StatusStore> {
        Some(self)
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

pub(super) fn failed(error: &DatabaseError) -> StoreError {
    let kind = match error.kind {
        DatabaseErrorKind::Unavailable => StoreErrorKind::Unavailable,
        DatabaseErrorKind::Failed => StoreErrorKind::Failed,
    };
    StoreError::new(kind).with_detail(error.to_string())
}

pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
