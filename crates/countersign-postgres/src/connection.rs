//! The connection to the database, on a thread of its own.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use countersign_core::error::ConfigError;
use countersign_core::secret::Secret;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OnceCell, mpsc as work};
use tokio::task::AbortHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, NoTls, Row};

use crate::settings::Settings;
use crate::tls::tls_failure;

/// The time limit of a connection attempt, and of one query.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Ends a statement on the server at the latest when its caller has given up.
const SESSION: &str = "SET statement_timeout = 5000";

const NO_ANSWER: &str = "the database does not answer";

/// The most queries that may wait for the connection; the next one fails at once.
const MAX_WAITING: usize = 256;

/// The result of a query.
pub type QueryResult<T> = Result<T, tokio_postgres::Error>;

/// A query, run on the thread of the connection; with the reason if there is none.
type Query = Box<dyn FnOnce(Result<Rc<Connection>, String>) + Send>;

/// A database, whose connection has a thread of its own. It is reached through a Unix socket, or by TCP with TLS.
pub struct Database {
    queries: work::Sender<Query>,
    listeners: Listeners,
    /// Joined when the database is dropped.
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

/// The channels whose notifications are wanted, each with what is called.
type Listeners = Arc<Mutex<Vec<(&'static str, Heard)>>>;

/// Called on the thread of the connection: it must not block.
pub type Heard = Arc<dyn Fn() + Send + Sync>;

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
    /// `host=/run/postgresql user=issuer dbname=issuer` for a socket, or
    /// `host=db.example.com user=issuer dbname=issuer sslrootcert=/etc/issuer/ca.pem` for TCP. TCP always has TLS, and the
    /// certificate must have the name of the host (`sslmode=verify-full`). `sslcert` and `sslkey` are the client's.
    ///
    /// # Errors
    /// `ConfigError` on field `store` if the settings are not usable or the database does not answer.
    pub fn connect(
        settings: &Secret<String>,
        application: &'static str,
        schema: &'static str,
    ) -> Result<Self, ConfigError> {
        let fault = |problem: &'static str| ConfigError::new("store", problem);
        let settings = Settings::read(settings).map_err(fault)?;
        if let Some(tls) = &settings.tls {
            tls.connector().map_err(fault)?;
        }
        let database = Database::start(settings, application);
        let database = database.map_err(|_| fault("the thread of the connection cannot be started"))?;
        let created = database.run(async |connection: &Connection| connection.client.batch_execute(schema).await);
        created.map_err(|error| ConfigError::new("store", error.to_string()))?;
        Ok(database)
    }

    /// Starts the thread. It connects at the first query.
    fn start(mut settings: Settings, application: &str) -> std::io::Result<Self> {
        settings.config.connect_timeout(TIMEOUT).application_name(application);
        let (queries, received) = work::channel(MAX_WAITING);
        let listeners = Listeners::default();
        let heard = Arc::clone(&listeners);
        let thread = std::thread::Builder::new().name("countersign-store".into());
        let thread = thread.spawn(move || serve(&settings, &heard, received))?;
        Ok(Database { queries, listeners, thread: Mutex::new(Some(thread)) })
    }

    /// Calls `heard` for each notification on `channel` (an SQL identifier), and after each new connection, because some may
    /// have been missed without one. A connection is opened again by the next query.
    pub fn listen(&self, channel: &'static str, heard: Heard) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push((channel, heard));
        // If this fails, the next connection listens.
        let _ = self.run(async move |connection: &Connection| connection.listen(channel).await);
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
            let connection = match connection {
                Ok(connection) => connection,
                Err(reason) => {
                    let _ = sender.send(Err(unavailable(reason)));
                    return;
                }
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
        receiver.recv_timeout(TIMEOUT * 3).unwrap_or_else(|_| Err(unavailable(NO_ANSWER)))
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
    /// Fails with the reason.
    async fn open(settings: &Settings, listeners: &Listeners) -> Result<Rc<Self>, String> {
        let no_answer = || NO_ANSWER.to_owned();
        let open = async {
            let config = &settings.config;
            let (client, io) = match &settings.tls {
                None => {
                    let (client, io) = config.connect(NoTls).await.map_err(|error| reason(&error))?;
                    (client, drive(io, Arc::clone(listeners)))
                }
                Some(files) => {
                    let (client, io) = config.connect(files.connector()?).await.map_err(|error| reason(&error))?;
                    (client, drive(io, Arc::clone(listeners)))
                }
            };
            let connection = Connection { client, prepared: RefCell::default(), io, is_abandoned: Cell::new(false) };
            connection.client.batch_execute(SESSION).await.map_err(|error| reason(&error))?;
            let wanted = listeners.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for (channel, heard) in wanted {
                connection.listen(channel).await.map_err(|error| reason(&error))?;
                heard();
            }
            Ok(Rc::new(connection))
        };
        tokio::time::timeout(TIMEOUT, open).await.unwrap_or_else(|_| Err(no_answer()))
    }

    async fn listen(&self, channel: &'static str) -> QueryResult<()> {
        self.client.batch_execute(&format!("LISTEN {channel}")).await
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
fn serve(settings: &Settings, listeners: &Listeners, mut queries: work::Receiver<Query>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let mut connection = Err::<Rc<Connection>, _>(String::new());
        while let Some(query) = queries.recv().await {
            if connection.as_ref().map_or(true, |connection| connection.is_closed()) {
                connection = Connection::open(settings, listeners).await;
            }
            query(connection.clone());
            if connection.is_err() {
                // Those that came meanwhile get the same answer: another attempt for each would take 5 s for each.
                while let Ok(query) = queries.try_recv() {
                    query(connection.clone());
                }
            }
        }
    });
}

/// Reads and writes until the client is dropped or the connection breaks; the next query notices.
fn drive<S, T>(mut io: tokio_postgres::Connection<S, T>, listeners: Listeners) -> AbortHandle
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    T: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let io = tokio::task::spawn_local(async move {
        while let Some(Ok(message)) = poll_fn(|context| io.poll_message(context)).await {
            let AsyncMessage::Notification(notification) = message else { continue };
            let wanted = listeners.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for (_, heard) in wanted.iter().filter(|(channel, _)| *channel == notification.channel()) {
                heard();
            }
        }
    });
    io.abort_handle()
}

/// The reason why a connection could not be opened.
fn reason(error: &tokio_postgres::Error) -> String {
    match error.code() {
        Some(code) => format!("the database refused the connection with {}", code.code()),
        None => tls_failure(error).unwrap_or_else(|| NO_ANSWER.to_owned()),
    }
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

fn unavailable(detail: impl Into<String>) -> DatabaseError {
    DatabaseError { kind: DatabaseErrorKind::Unavailable, detail: detail.into() }
}
