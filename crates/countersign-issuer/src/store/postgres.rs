//! State in PostgreSQL, for several instances of one issuer.

use std::fmt;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use countersign_core::clock::UnixTime;
use countersign_core::error::ConfigError;
use countersign_core::secret::Secret;
use tokio::sync::mpsc as work;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls};

use super::interface::MAX_IDS;
use super::{IdList, Insertion, Store, StoreError, StoreErrorKind, StoredKeys};

/// The time limit of a connection attempt, and of one query.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The most queries that may wait for the connection; the next one fails at once.
const MAX_WAITING: usize = 256;

/// Runs under a lock, because `IF NOT EXISTS` fails if two instances start at the same time.
const SCHEMA: &str = "
    BEGIN;
    SELECT pg_advisory_xact_lock(7018325019);
    CREATE TABLE IF NOT EXISTS countersign_keys (only_row bool PRIMARY KEY CHECK (only_row), version bigint, keys bytea);
    CREATE TABLE IF NOT EXISTS countersign_ids (list smallint, digest bytea, expires_at bigint, PRIMARY KEY (list, digest));
    CREATE TABLE IF NOT EXISTS countersign_secret_hashes (client text PRIMARY KEY, hash text NOT NULL);
    COMMIT;
";

type QueryResult<T> = Result<T, tokio_postgres::Error>;

/// A query, run on the thread of the connection.
type Query = Box<dyn FnOnce(Connection) + Send>;

/// The open connection; `None` if the database does not answer.
type Connection = Option<std::sync::Arc<Client>>;

/// Stores the state in PostgreSQL. Instances that share it publish the same keys and rotate them once.
///
/// One database, or schema, serves one issuer. The connection is not encrypted, so the database must be on this machine:
/// a socket, a loopback address, or a local proxy that uses TLS to a remote database.
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
    queries: work::Sender<Query>,
    /// Joined when the store is dropped.
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl PostgresStore {
    /// Connects and creates missing tables. `settings` have the form of libpq:
    /// `host=/run/postgresql user=issuer dbname=issuer`.
    ///
    /// # Errors
    /// `ConfigError` if the settings are not usable or the database does not answer.
    pub fn connect(settings: &Secret<String>) -> Result<Self, ConfigError> {
        let fault = |problem: &'static str| ConfigError::new("store", problem);
        let mut config: Config = settings.expose().parse().map_err(|_| fault("the settings are not readable"))?;
        let (hosts, addresses) = (config.get_hosts(), config.get_hostaddrs());
        let is_on_this_machine = hosts.iter().all(is_local) && addresses.iter().all(std::net::IpAddr::is_loopback);
        if !is_on_this_machine || (hosts.is_empty() && addresses.is_empty()) {
            return Err(fault("the database is on another machine; reach it through a local proxy that encrypts"));
        }
        config.connect_timeout(TIMEOUT).application_name("countersign-issuer");
        let (queries, received) = work::channel(MAX_WAITING);
        let thread =
            std::thread::Builder::new().name("countersign-store".into()).spawn(move || serve(&config, received));
        let thread = thread.map_err(|_| fault("the thread of the connection cannot be started"))?;
        let store = PostgresStore { queries, thread: Mutex::new(Some(thread)) };
        let created = store.run(async |client: &Client| client.batch_execute(SCHEMA).await);
        created.map_err(|error| ConfigError::new("store", error.to_string()))?;
        Ok(store)
    }

    /// Runs a query on the thread of the connection and blocks for its result.
    fn run<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: AsyncFnOnce(&Client) -> QueryResult<T> + Send + 'static,
    {
        let (sender, receiver) = mpsc::sync_channel(1);
        let query: Query = Box::new(move |client: Connection| {
            let Some(client) = client else {
                let _ = sender.send(Err(unavailable("the database does not answer")));
                return;
            };
            // On the thread of the connection, so that the future of a query need not be `Send`.
            tokio::task::spawn_local(async move {
                let result = tokio::time::timeout(TIMEOUT, query(&client)).await;
                let result = result.map_err(|_| unavailable("the database took over 5 s"));
                let _ = sender.send(result.and_then(|result| result.map_err(|error| failed(&error))));
            });
        });
        self.queries.try_send(query).map_err(|_| unavailable("too many queries wait for the database"))?;
        receiver.recv_timeout(TIMEOUT * 3).unwrap_or_else(|_| Err(unavailable("the database does not answer")))
    }
}

/// Runs queries until the store is dropped. Replaces a broken connection before the next query.
fn serve(config: &Config, mut queries: work::Receiver<Query>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let mut connection: Connection = None;
        while let Some(query) = queries.recv().await {
            if connection.as_ref().is_none_or(|client| client.is_closed()) {
                connection = connect(config).await;
            }
            query(connection.clone());
        }
    });
}

async fn connect(config: &Config) -> Connection {
    let connecting = tokio::time::timeout(TIMEOUT, config.connect(NoTls)).await;
    let (client, connection) = connecting.ok()?.ok()?;
    tokio::task::spawn_local(async move {
        let _ = connection.await; // ends with its client, or breaks; the next query notices
    });
    Some(std::sync::Arc::new(client))
}

impl Store for PostgresStore {
    fn keys(&self) -> Result<Option<StoredKeys>, StoreError> {
        let row = self
            .run(async |client: &Client| client.query_opt("SELECT version, keys FROM countersign_keys", &[]).await)?;
        row.map(|row| {
            let version: i64 = row.try_get(0).map_err(|error| failed(&error))?;
            let keys = row.try_get(1).map_err(|error| failed(&error))?;
            Ok(StoredKeys::new(u64::try_from(version).unwrap_or_default(), keys))
        })
        .transpose()
    }

    fn replace_keys(&self, expected_version: u64, keys: &[u8]) -> Result<bool, StoreError> {
        let (expected_version, keys) = (number(expected_version), keys.to_vec());
        let written = self.run(async move |client: &Client| match expected_version {
            0 => {
                let insert = "INSERT INTO countersign_keys VALUES (true, 1, $1) ON CONFLICT DO NOTHING";
                client.execute(insert, &[&keys]).await
            }
            _ => {
                let update = "UPDATE countersign_keys SET version = version + 1, keys = $2 WHERE version = $1";
                client.execute(update, &[&expected_version, &keys]).await
            }
        })?;
        Ok(written == 1)
    }

    fn insert_id(
        &self,
        list: IdList,
        digest: &[u8; 32],
        expires_at: UnixTime,
        now: UnixTime,
    ) -> Result<Insertion, StoreError> {
        let (list, digest) = (i16::from(list.number()), digest.to_vec());
        let (expires_at, now, max) = (number(expires_at.as_secs()), number(now.as_secs()), number(MAX_IDS));
        self.run(async move |client: &Client| {
            let count = "SELECT count(*) FROM (SELECT 1 FROM countersign_ids WHERE list = $1 LIMIT $2) AS ids";
            let mut stored: i64 = client.query_one(count, &[&list, &max]).await?.try_get(0)?;
            if stored >= max {
                let delete = "DELETE FROM countersign_ids WHERE list = $1 AND expires_at <= $2";
                client.execute(delete, &[&list, &now]).await?;
                stored = client.query_one(count, &[&list, &max]).await?.try_get(0)?;
            }
            if stored >= max {
                let find = "SELECT 1 FROM countersign_ids WHERE list = $1 AND digest = $2";
                let is_present = client.query_opt(find, &[&list, &digest]).await?.is_some();
                return Ok(if is_present { Insertion::Present } else { Insertion::Full });
            }
            let insert = "INSERT INTO countersign_ids VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
            let written = client.execute(insert, &[&list, &digest, &expires_at]).await?;
            Ok(if written == 1 { Insertion::New } else { Insertion::Present })
        })
    }

    fn contains_id(&self, list: IdList, digest: &[u8; 32]) -> Result<bool, StoreError> {
        let (list, digest) = (i16::from(list.number()), digest.to_vec());
        self.run(async move |client: &Client| {
            let find = "SELECT 1 FROM countersign_ids WHERE list = $1 AND digest = $2";
            Ok(client.query_opt(find, &[&list, &digest]).await?.is_some())
        })
    }

    fn secret_hashes(&self) -> Result<Vec<(String, String)>, StoreError> {
        let select = "SELECT client, hash FROM countersign_secret_hashes";
        let rows = self.run(async |client: &Client| client.query(select, &[]).await)?;
        let read = |row: &tokio_postgres::Row| Ok((row.try_get(0)?, row.try_get(1)?));
        rows.iter().map(|row| read(row).map_err(|error| failed(&error))).collect()
    }

    fn put_secret_hash(&self, client_id: &str, hash: &str) -> Result<(), StoreError> {
        let (client_id, hash) = (client_id.to_owned(), hash.to_owned());
        self.run(async move |client: &Client| {
            let put =
                "INSERT INTO countersign_secret_hashes VALUES ($1, $2) ON CONFLICT (client) DO UPDATE SET hash = $2";
            client.execute(put, &[&client_id, &hash]).await.map(drop)
        })
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        let (closed, _) = work::channel(1);
        drop(std::mem::replace(&mut self.queries, closed)); // the thread ends with the last sender
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
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

/// Only the SQLSTATE of the error: messages of the database may repeat written values.
fn failed(error: &tokio_postgres::Error) -> StoreError {
    match error.code() {
        Some(code) => {
            StoreError::new(StoreErrorKind::Failed).with_detail(format!("the database answered {}", code.code()))
        }
        None => unavailable("the connection to the database broke"),
    }
}

fn unavailable(detail: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable).with_detail(detail)
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
