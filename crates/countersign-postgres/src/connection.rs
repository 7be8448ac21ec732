//! The connection to the database, on a thread of its own.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use countersign_core::error::ConfigError;
use countersign_core::secret::Secret;
use tokio::sync::{OnceCell, mpsc as work};
use tokio::task::AbortHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row};

use crate::address::address_fault;

/// The time limit of a connection attempt, and of one query.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Ends a statement on the server at the latest when its caller has given up.
const SESSION: &str = "SET statement_timeout = 5000";

/// The most queries that may wait for the connection; the next one fails at once.
const MAX_WAITING: usize = 256;

/// The result of a query.
pub type QueryResult<T> = Result<T, tokio_postgres::Error>;

/// A query, run on the thread of the connection; without a connection if the database does not answer.
type Query = Box<dyn FnOnce(Option<Rc<Connection>>) + Send>;

/// A database, whose connection has a thread of its own. It is reached through a Unix socket only.
pub struct Database {
    queries: work::Sender<Query>,
    /// Joined when the database is dropped.
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

/// An open connection and its prepared statements.
pub struct Connection {
    client: Client,
    prepared: RefCell<HashMap<&'static str, Rc<OnceCell<tokio_postgres::Statement>>>>,
    io: AbortHandle,
    /// True after a query took too long.
    is_abandoned: Cell<bool>,
}

impl Database {
    /// Connects as `application` and creates missing tables by `schema`. `settings` have the form of libpq:
    /// `host=/run/postgresql user=issuer dbname=issuer`.
    ///
    /// # Errors
    /// `ConfigError` on field `store` if the settings are not usable or the database does not answer.
    pub fn connect(
        settings: &Secret<String>,
        application: &'static str,
        schema: &'static str,
    ) -> Result<Self, ConfigError> {
        let fault = |problem: &'static str| ConfigError::new("store", problem);
        let config: Config = settings.expose().parse().map_err(|_| fault("the settings are not readable"))?;
        if let Some(problem) = address_fault(&config) {
            return Err(fault(problem));
        }
        let database = Database::start(config, application);
        let database = database.map_err(|_| fault("the thread of the connection cannot be started"))?;
        let created = database.run(async |connection: &Connection| connection.client.batch_execute(schema).await);
        created.map_err(|error| ConfigError::new("store", error.to_string()))?;
        Ok(database)
    }

    /// Starts the thread. It connects at the first query.
    fn start(mut config: Config, application: &str) -> std::io::Result<Self> {
        config.connect_timeout(TIMEOUT).application_name(application);
        let (queries, received) = work::channel(MAX_WAITING);
        let thread =
            std::thread::Builder::new().name("countersign-store".into()).spawn(move || serve(&config, received))?;
        Ok(Database { queries, thread: Mutex::new(Some(thread)) })
    }

    /// Runs a query and blocks for its result. A query that takes too long closes its connection, because the server, or
    /// something on the way, may never answer on it.
    ///
    /// # Errors
    /// `DatabaseError` if the outcome is unknown.
    pub fn run<T, F>(&self, query: F) -> Result<T, DatabaseError>
    where
        T: Send + 'static,
        F: AsyncFnOnce(&Connection) -> QueryResult<T> + Send + 'static,
    {
        let (sender, receiver) = mpsc::sync_channel(1);
        let query: Query = Box::new(move |connection| {
            let Some(connection) = connection else {
                let _ = sender.send(Err(unavailable("the database does not answer")));
                return;
            };
            // On the thread of the connection, so that the future of a query need not be `Send`.
            tokio::task::spawn_local(async move {
                let result = tokio::time::timeout(TIMEOUT, query(&connection)).await;
                let result = result.map_err(|_| {
                    connection.abandon();
                    unavailable("the database took over 5 s")
                });
                if matches!(&result, Ok(Err(error)) if is_stale(error)) {
                    connection.abandon();
                }
                let _ = sender.send(result.and_then(|result| result.map_err(DatabaseError::from)));
            });
        });
        self.queries.try_send(query).map_err(|_| unavailable("too many queries wait for the database"))?;
        receiver.recv_timeout(TIMEOUT * 3).unwrap_or_else(|_| Err(unavailable("the database does not answer")))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (closed, _) = work::channel(1);
        drop(std::mem::replace(&mut self.queries, closed)); // the thread ends with the last sender
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

impl Connection {
    async fn open(config: &Config) -> Option<Rc<Self>> {
        let open = async {
            let (client, io) = config.connect(NoTls).await.ok()?;
            let io = tokio::task::spawn_local(async move {
                let _ = io.await; // ends with its client, or breaks; the next query notices
            });
            let connection = Connection {
                client,
                prepared: RefCell::default(),
                io: io.abort_handle(),
                is_abandoned: Cell::new(false),
            };
            connection.client.batch_execute(SESSION).await.ok()?;
            Some(Rc::new(connection))
        };
        tokio::time::timeout(TIMEOUT, open).await.ok()?
    }

    /// Closes the connection, and fails the other queries on it.
    fn abandon(&self) {
        self.is_abandoned.set(true);
        self.io.abort();
    }

    fn is_closed(&self) -> bool {
        self.is_abandoned.get() || self.client.is_closed()
    }

    /// Runs a statement, which is prepared at its first use on a connection, and returns its rows.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn query(&self, statement: &'static str, values: &[&(dyn ToSql + Sync)]) -> QueryResult<Vec<Row>> {
        self.client.query(&self.prepare(statement).await?, values).await
    }

    /// As [`query`](Self::query), and returns the number of rows that it changed.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn execute(&self, statement: &'static str, values: &[&(dyn ToSql + Sync)]) -> QueryResult<u64> {
        self.client.execute(&self.prepare(statement).await?, values).await
    }

    async fn prepare(&self, statement: &'static str) -> QueryResult<tokio_postgres::Statement> {
        let prepared = Rc::clone(self.prepared.borrow_mut().entry(statement).or_default());
        prepared.get_or_try_init(|| self.client.prepare(statement)).await.cloned()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.io.abort();
    }
}

/// Runs queries until the database is dropped. Replaces a closed connection before the next query.
fn serve(config: &Config, mut queries: work::Receiver<Query>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let mut connection = None::<Rc<Connection>>;
        while let Some(query) = queries.recv().await {
            if connection.as_ref().is_none_or(|connection| connection.is_closed()) {
                connection = Connection::open(config).await;
            }
            query(connection.clone());
            if connection.is_none() {
                // Those that came meanwhile get the same answer: another attempt for each would take 5 s for each.
                while let Ok(query) = queries.try_recv() {
                    query(None);
                }
            }
        }
    });
}

/// Returns whether the prepared statements of the connection are not valid any more: a pooler in between gave it another
/// session, or the tables have changed.
fn is_stale(error: &tokio_postgres::Error) -> bool {
    let codes = [SqlState::INVALID_SQL_STATEMENT_NAME, SqlState::FEATURE_NOT_SUPPORTED, SqlState::DUPLICATE_PSTATEMENT];
    error.code().is_some_and(|code| codes.contains(code))
}

/// The reason why a query has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseError {
    /// The kind.
    pub kind: DatabaseErrorKind,
    detail: String,
}

/// The kinds of [`DatabaseError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseErrorKind {
    /// The database cannot be reached, is overloaded, or did not answer in time.
    Unavailable,
    /// The database answered with an error.
    Failed,
}

/// Only the SQLSTATE of the error: messages of the database may repeat written values.
impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(code) => {
                let detail = format!("the database answered {}", code.code());
                DatabaseError { kind: DatabaseErrorKind::Failed, detail }
            }
            None => unavailable("the connection to the database broke"),
        }
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for DatabaseError {}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

fn unavailable(detail: &'static str) -> DatabaseError {
    DatabaseError { kind: DatabaseErrorKind::Unavailable, detail: detail.to_owned() }
}
