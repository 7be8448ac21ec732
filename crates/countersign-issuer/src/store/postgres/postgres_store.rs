//! The store in PostgreSQL.

use std::fmt;

use countersign_core::clock::UnixTime;
use countersign_core::error::ConfigError;
use countersign_core::secret::Secret;
use tokio_postgres::config::Host;
use tokio_postgres::{Config, Row};

use super::connection::{Connection, Database, QueryResult, failed};
use super::statement::{MAX_REMOVED, Statement};
use crate::store::interface::MAX_IDS;
use crate::store::share::Sweeps;
use crate::store::{IdList, Insertion, Store, StoreError, StoreErrorKind, StoredKeys};

/// Stores the state in PostgreSQL. Instances that share it publish the same keys and rotate them once.
///
/// One database, or schema, serves one issuer. It is reached through a Unix socket: that of a database on this machine, or of
/// a local proxy that uses TLS to a remote one. On a loopback address any user of the machine can listen while the database
/// is down, receive its password and answer in its place. So TCP is refused, and a socket in or below a folder that
/// everybody may write to, such as `/tmp`.
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
    max_ids: u64,
}

impl PostgresStore {
    /// Connects and creates missing tables. `settings` have the form of libpq:
    /// `host=/run/postgresql user=issuer dbname=issuer`.
    ///
    /// # Errors
    /// `ConfigError` if the settings are not usable or the database does not answer.
    pub fn connect(settings: &Secret<String>) -> Result<Self, ConfigError> {
        let fault = |problem: &'static str| ConfigError::new("store", problem);
        let config: Config = settings.expose().parse().map_err(|_| fault("the settings are not readable"))?;
        if let Some(problem) = address_fault(&config) {
            return Err(fault(problem));
        }
        let database = Database::start(config);
        let database = database.map_err(|_| fault("the thread of the connection cannot be started"))?;
        let created = database.run(async |connection: &Connection| connection.create_tables().await);
        created.map_err(|error| ConfigError::new("store", error.to_string()))?;
        Ok(PostgresStore { database, sweeps: Sweeps::default(), max_ids: MAX_IDS })
    }

    /// The most ids of each list. Default 100,000. Set the same number for every instance.
    #[must_use]
    pub fn max_ids(mut self, ids: u64) -> Self {
        self.max_ids = ids;
        self
    }
}

impl Store for PostgresStore {
    fn keys(&self) -> Result<Option<StoredKeys>, StoreError> {
        let rows =
            self.database.run(async |connection: &Connection| connection.query(Statement::ReadKeys, &[]).await)?;
        let read = |row: &Row| {
            let version: i64 = row.try_get(0)?;
            Ok(StoredKeys::new(u64::try_from(version).unwrap_or_default(), row.try_get(1)?))
        };
        rows.first().map(|row| read(row).map_err(|error| failed(&error))).transpose()
    }

    fn replace_keys(&self, expected_version: u64, keys: &[u8]) -> Result<bool, StoreError> {
        let (expected_version, keys) = (number(expected_version), keys.to_vec());
        let written = self.database.run(async move |connection: &Connection| match expected_version {
            0 => connection.execute(Statement::InsertKeys, &[&keys]).await,
            _ => connection.execute(Statement::UpdateKeys, &[&expected_version, &keys]).await,
        })?;
        Ok(written == 1)
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
        let (inserted, has_swept) = self.database.run(async move |connection: &Connection| {
            let insert = async || -> QueryResult<Insertion> {
                let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                    [&number_of_list, &digest, &client, &expires_at, &max];
                let rows = connection.query(Statement::InsertId, &values).await?;
                let is = |column| rows.first().map_or(Ok(false), |row| row.try_get::<_, bool>(column));
                Ok(match (is(0)?, is(1)?, is(2)?, is(3)?) {
                    (true, _, false, false) => Insertion::New,
                    (true, _, false, true) => Insertion::Unknown,
                    (false, false, false, _) => Insertion::Full,
                    (false, true, false, _) => {
                        // Another instance stored it at this moment, perhaps with an earlier expiry.
                        connection.query(Statement::InsertId, &values).await?;
                        Insertion::Present
                    }
                    _ => Insertion::Present,
                })
            };
            let inserted = insert().await?;
            if inserted != Insertion::Full || !may_sweep {
                return Ok((inserted, false));
            }
            let rows = connection.query(Statement::RemoveExpired, &[&number_of_list, &expired]).await?;
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
        let (is_stored, may_be_removed) = self.database.run(async move |connection: &Connection| {
            let rows = connection.query(Statement::FindId, &[&list, &digest, &expires_at]).await?;
            let is = |column| rows.first().map_or(Ok(false), |row| row.try_get::<_, bool>(column));
            Ok((is(0)?, is(1)?))
        })?;
        match is_stored {
            false if may_be_removed => Err(StoreError::new(StoreErrorKind::Removed)),
            is_stored => Ok(is_stored),
        }
    }

    fn secret_hashes(&self) -> Result<Vec<(String, String)>, StoreError> {
        let read = async |connection: &Connection| connection.query(Statement::ReadSecretHashes, &[]).await;
        let rows = self.database.run(read)?;
        let read = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?));
        rows.iter().map(|row| read(row).map_err(|error| failed(&error))).collect()
    }

    fn put_secret_hash(&self, client_id: &str, hash: &str) -> Result<(), StoreError> {
        let (client_id, hash) = (client_id.to_owned(), hash.to_owned());
        self.database.run(async move |connection: &Connection| {
            connection.execute(Statement::PutSecretHash, &[&client_id, &hash]).await.map(drop)
        })
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

fn address_fault(config: &Config) -> Option<&'static str> {
    let (hosts, addresses) = (config.get_hosts(), config.get_hostaddrs());
    if hosts.is_empty() || !hosts.iter().all(is_local) || !addresses.iter().all(std::net::IpAddr::is_loopback) {
        return Some("the database is on another machine; reach it through the socket of a local proxy that encrypts");
    }
    if !addresses.is_empty() || hosts.iter().any(|host| matches!(host, Host::Tcp(_))) {
        return Some(
            "TCP, where anybody on this machine may answer; name the folder of a socket: host=/run/postgresql",
        );
    }
    #[cfg(unix)]
    if hosts.iter().any(|host| matches!(host, Host::Unix(folder) if is_open_to_all(folder))) {
        return Some("the socket is in or below a folder that everybody may write to; use one of the database's own");
    }
    None
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

/// Returns whether everybody may write to a folder on the way, also behind links. The sticky bit of such a folder protects only
/// what is there: after a restart of the machine, anybody may be the first to create it in `/tmp`.
#[cfg(unix)]
fn is_open_to_all(folder: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let resolved = std::fs::canonicalize(folder).unwrap_or_default();
    let mut on_the_way = folder.ancestors().chain(resolved.ancestors());
    on_the_way.any(|folder| std::fs::metadata(folder).is_ok_and(|folder| folder.permissions().mode() & 0o002 != 0))
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
