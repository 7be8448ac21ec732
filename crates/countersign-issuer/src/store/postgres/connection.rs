//! The connection to the database, on a thread of its own.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use tokio::sync::{OnceCell, mpsc as work};
use tokio::task::AbortHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row};

use super::statement::{SCHEMA, SESSION, Statement};
use crate::store::{StoreError, StoreErrorKind};

/// The time limit of a connection attempt, and of one query.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The most queries that may wait for the connection; the next one fails at once.
const MAX_WAITING: usize = 256;

pub(super) type QueryResult<T> = Result<T, tokio_postgres::Error>;

/// A query, run on the thread of the connection; without a connection if the database does not answer.
type Query = Box<dyn FnOnce(Option<Rc<Connection>>) + Send>;

/// The thread of the connection.
pub(super) struct Database {
    queries: work::Sender<Query>,
    /// Joined when the database is dropped.
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

/// An open connection and its prepared statements.
pub(super) struct Connection {
    client: Client,
    prepared: [OnceCell<tokio_postgres::Statement>; Statement::COUNT],
    io: AbortHandle,
    /// True after a query took too long.
    is_abandoned: Cell<bool>,
}

impl Database {
    /// Starts the thread. It connects at the first query.
    pub(super) fn start(mut config: Config) -> std::io::Result<Self> {
        config.connect_timeout(TIMEOUT).application_name("countersign-issuer");
        let (queries, received) = work::channel(MAX_WAITING);
        let thread =
            std::thread::Builder::new().name("countersign-store".into()).spawn(move || serve(&config, received))?;
        Ok(Database { queries, thread: Mutex::new(Some(thread)) })
    }

    /// Runs a query and blocks for its result. A query that takes too long closes its connection, because the server, or
    /// something on the way, may never answer on it.
    pub(super) fn run<T, F>(&self, query: F) -> Result<T, StoreError>
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
                let _ = sender.send(result.and_then(|result| result.map_err(|error| failed(&error))));
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
                prepared: [const { OnceCell::const_new() }; _],
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

    pub(super) async fn create_tables(&self) -> QueryResult<()> {
        self.client.batch_execute(SCHEMA).await
    }

    pub(super) async fn query(&self, statement: Statement, values: &[&(dyn ToSql + Sync)]) -> QueryResult<Vec<Row>> {
        self.client.query(self.prepare(statement).await?, values).await
    }

    pub(super) async fn execute(&self, statement: Statement, values: &[&(dyn ToSql + Sync)]) -> QueryResult<u64> {
        self.client.execute(self.prepare(statement).await?, values).await
    }

    async fn prepare(&self, statement: Statement) -> QueryResult<&tokio_postgres::Statement> {
        #[expect(clippy::indexing_slicing, reason = "the array has one entry for each statement")]
        self.prepared[statement as usize].get_or_try_init(|| self.client.prepare(statement.text())).await
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

/// Only the SQLSTATE of the error: messages of the database may repeat written values.
pub(super) fn failed(error: &tokio_postgres::Error) -> StoreError {
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
