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

use super::{List, MAX_NAMES, Remembered, Store, StoreError, StoredKeys};

/// How long connecting and one question may take, each.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Questions that may wait for the connection; the next fails at once.
const MAX_WAITING: usize = 256;

/// Made under a lock, since `IF NOT EXISTS` alone fails where two instances begin at once.
const SCHEMA: &str = "
    BEGIN;
    SELECT pg_advisory_xact_lock(7018325019);
    CREATE TABLE IF NOT EXISTS countersign_keys (only_row bool PRIMARY KEY CHECK (only_row), version bigint, keys bytea);
    CREATE TABLE IF NOT EXISTS countersign_names (list smallint, name bytea, ends bigint, PRIMARY KEY (list, name));
    CREATE TABLE IF NOT EXISTS countersign_secrets (client text PRIMARY KEY, stored text NOT NULL);
    COMMIT;
";

type Answer<T> = Result<T, tokio_postgres::Error>;
type Question = Box<dyn FnOnce(Asked) + Send>;

/// What a question is put to: the connection, or nothing where there is none.
type Asked = Option<std::sync::Arc<Client>>;

/// Keeps the state in a database that instances share: they publish the same keys and rotate them once.
///
/// One database, or schema, serves one issuer. The connection is not encrypted, so the database must be on this machine: a
/// socket, a loopback address, or a proxy there that carries it on by TLS.
pub struct PostgresStore {
    questions: work::Sender<Question>,
    /// Ends the thread when the store is dropped.
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl PostgresStore {
    /// Connects and makes the tables where they are missing. `settings` are of libpq's form:
    /// `host=/run/postgresql user=issuer dbname=issuer`.
    ///
    /// # Errors
    /// `ConfigError` where the settings are not usable, or the database does not answer.
    pub fn connect(settings: &Secret<String>) -> Result<Self, ConfigError> {
        let fault = |problem: &'static str| ConfigError::new("store", problem);
        let mut config: Config = settings.expose().parse().map_err(|_| fault("the settings are not readable"))?;
        let (hosts, addresses) = (config.get_hosts(), config.get_hostaddrs());
        let is_here = hosts.iter().all(is_local) && addresses.iter().all(std::net::IpAddr::is_loopback);
        if !is_here || (hosts.is_empty() && addresses.is_empty()) {
            return Err(fault("the database is on another machine; reach it through a local proxy that encrypts"));
        }
        config.connect_timeout(TIMEOUT).application_name("countersign-issuer");
        let (questions, asked) = work::channel(MAX_WAITING);
        let thread = std::thread::Builder::new().name("countersign-store".into()).spawn(move || serve(&config, asked));
        let thread = thread.map_err(|_| fault("no thread to be had for the connection"))?;
        let store = PostgresStore { questions, thread: Mutex::new(Some(thread)) };
        let made = store.ask(async |client: &Client| client.batch_execute(SCHEMA).await);
        made.map_err(|error| ConfigError::new("store", error.to_string()))?;
        Ok(store)
    }

    /// Blocks until the thread of the connection has answered.
    fn ask<T, F>(&self, question: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: AsyncFnOnce(&Client) -> Answer<T> + Send + 'static,
    {
        let (answer, answered) = mpsc::sync_channel(1);
        let question: Question = Box::new(move |client: Asked| {
            let Some(client) = client else {
                let _ = answer.send(Err(StoreError::new("the database does not answer")));
                return;
            };
            // On the thread of the connection: no question need be Send while it runs.
            tokio::task::spawn_local(async move {
                let asked = tokio::time::timeout(TIMEOUT, question(&client)).await;
                let asked = asked.map_err(|_| StoreError::new("the database took over 5 s"));
                let _ = answer.send(asked.and_then(|asked| asked.map_err(|error| failed(&error))));
            });
        });
        self.questions.try_send(question).map_err(|_| StoreError::new("too many wait for the database"))?;
        answered.recv_timeout(TIMEOUT * 3).unwrap_or(Err(StoreError::new("the database does not answer")))
    }
}

/// Runs the connection and asks, until the store is dropped. A connection that broke is made anew for the next question.
fn serve(config: &Config, mut asked: work::Receiver<Question>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let mut connected: Asked = None;
        while let Some(question) = asked.recv().await {
            if connected.as_ref().is_none_or(|client| client.is_closed()) {
                connected = connect(config).await;
            }
            question(connected.clone());
        }
    });
}

async fn connect(config: &Config) -> Asked {
    let connecting = tokio::time::timeout(TIMEOUT, config.connect(NoTls)).await;
    let (client, connection) = connecting.ok()?.ok()?;
    tokio::task::spawn_local(async move {
        let _ = connection.await; // ends with its client, or breaks; the next question sees that
    });
    Some(std::sync::Arc::new(client))
}

impl Store for PostgresStore {
    fn keys(&self) -> Result<Option<StoredKeys>, StoreError> {
        let row = self
            .ask(async |client: &Client| client.query_opt("SELECT version, keys FROM countersign_keys", &[]).await)?;
        row.map(|row| {
            let version: i64 = row.try_get(0).map_err(|error| failed(&error))?;
            Ok(StoredKeys {
                version: u64::try_from(version).unwrap_or_default(),
                keys: row.try_get(1).map_err(|error| failed(&error))?,
            })
        })
        .transpose()
    }

    fn replace_keys(&self, seen: u64, keys: &[u8]) -> Result<bool, StoreError> {
        let (seen, keys) = (number(seen), keys.to_vec());
        let written = self.ask(async move |client: &Client| match seen {
            0 => {
                let insert = "INSERT INTO countersign_keys VALUES (true, 1, $1) ON CONFLICT DO NOTHING";
                client.execute(insert, &[&keys]).await
            }
            _ => {
                let update = "UPDATE countersign_keys SET version = version + 1, keys = $2 WHERE version = $1";
                client.execute(update, &[&seen, &keys]).await
            }
        })?;
        Ok(written == 1)
    }

    fn remember(&self, list: List, name: &[u8; 32], ends: UnixTime, now: UnixTime) -> Result<Remembered, StoreError> {
        let (list, name) = (i16::from(list.number()), name.to_vec());
        let (ends, now, most) = (number(ends.as_secs()), number(now.as_secs()), number(MAX_NAMES));
        self.ask(async move |client: &Client| {
            let count = "SELECT count(*) FROM (SELECT 1 FROM countersign_names WHERE list = $1 LIMIT $2) AS held";
            let mut held: i64 = client.query_one(count, &[&list, &most]).await?.try_get(0)?;
            if held >= most {
                client.execute("DELETE FROM countersign_names WHERE list = $1 AND ends <= $2", &[&list, &now]).await?;
                held = client.query_one(count, &[&list, &most]).await?.try_get(0)?;
            }
            if held >= most {
                let find = "SELECT 1 FROM countersign_names WHERE list = $1 AND name = $2";
                let is_known = client.query_opt(find, &[&list, &name]).await?.is_some();
                return Ok(if is_known { Remembered::Known } else { Remembered::Full });
            }
            let insert = "INSERT INTO countersign_names VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
            let written = client.execute(insert, &[&list, &name, &ends]).await?;
            Ok(if written == 1 { Remembered::New } else { Remembered::Known })
        })
    }

    fn remembers(&self, list: List, name: &[u8; 32]) -> Result<bool, StoreError> {
        let (list, name) = (i16::from(list.number()), name.to_vec());
        self.ask(async move |client: &Client| {
            let find = "SELECT 1 FROM countersign_names WHERE list = $1 AND name = $2";
            Ok(client.query_opt(find, &[&list, &name]).await?.is_some())
        })
    }

    fn secrets(&self) -> Result<Vec<(String, String)>, StoreError> {
        let rows = self
            .ask(async |client: &Client| client.query("SELECT client, stored FROM countersign_secrets", &[]).await)?;
        rows.iter()
            .map(|row| {
                Ok((row.try_get(0).map_err(|error| failed(&error))?, row.try_get(1).map_err(|error| failed(&error))?))
            })
            .collect()
    }

    fn put_secret(&self, client: &str, stored: &str) -> Result<(), StoreError> {
        let (id, stored) = (client.to_owned(), stored.to_owned());
        self.ask(async move |client: &Client| {
            let put = "INSERT INTO countersign_secrets VALUES ($1, $2) ON CONFLICT (client) DO UPDATE SET stored = $2";
            client.execute(put, &[&id, &stored]).await.map(drop)
        })
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        let (closed, _) = work::channel(1);
        drop(std::mem::replace(&mut self.questions, closed)); // the thread ends with its last sender
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

/// The database's code alone: its messages may repeat what was written.
fn failed(error: &tokio_postgres::Error) -> StoreError {
    match error.code() {
        Some(code) => StoreError::new(format!("the database answered {}", code.code())),
        None => StoreError::new("the connection to the database broke"),
    }
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
