//! A database that falls silent, and a store that fails.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use countersign_core::clock::UnixTime;
use countersign_core::secret::Secret;
use countersign_issuer::{IdList, Insertion, PostgresStore, Store, StoreErrorKind};
use countersign_test::ManualClock;
use countersign_tests::peers::{Postgres, private_folder};

use crate::direct::post;
use crate::fresh::Blocking;
use crate::store::{issuer, mint};

/// A proxy in front of a database. Its connections can be made to swallow everything that is sent.
struct Proxy {
    folder: PathBuf,
    connections: Arc<Mutex<Vec<Arc<AtomicBool>>>>,
    /// How many statements were prepared.
    prepared: Arc<AtomicUsize>,
}

impl Proxy {
    fn start(database: &Postgres) -> Self {
        let server = database.settings().split(' ').next().expect("a host").trim_start_matches("host=").to_owned();
        let server = Path::new(&server).join(".s.PGSQL.5432");
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = private_folder().join(format!("cs-proxy-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let socket = folder.join(".s.PGSQL.5432");
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).expect("a socket");
        let proxy = Proxy { folder, connections: Arc::default(), prepared: Arc::default() };
        let (connections, prepared) = (Arc::clone(&proxy.connections), Arc::clone(&proxy.prepared));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, UnixStream::connect(&server)) else { return };
                let is_silent = Arc::new(AtomicBool::new(false));
                connections.lock().expect("no panic").push(Arc::clone(&is_silent));
                for (from, to, count) in [(&client, &server, Some(&prepared)), (&server, &client, None)] {
                    let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                    let (is_silent, count) = (Arc::clone(&is_silent), count.map(Arc::clone));
                    std::thread::spawn(move || copy(from, to, &is_silent, count.as_deref()));
                }
            }
        });
        proxy
    }

    fn settings(&self) -> Secret<String> {
        Secret::from(format!("host={} user=issuer dbname=postgres", self.folder.display()))
    }

    /// Makes the open connections silent; later ones work.
    fn swallow(&self) {
        self.connections.lock().expect("no panic").iter().for_each(|silent| silent.store(true, Ordering::Relaxed));
    }

    fn opened(&self) -> usize {
        self.connections.lock().expect("no panic").len()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Copies until the end; counts the Parse messages that name a statement.
fn copy(mut from: UnixStream, mut to: UnixStream, is_silent: &AtomicBool, prepared: Option<&AtomicUsize>) {
    let mut buffer = [0; 16_384];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if is_silent.load(Ordering::Relaxed) {
            continue;
        }
        let sent = &buffer[..read];
        if let Some(prepared) = prepared {
            let parses = sent.windows(6).filter(|window| window[0] == b'P' && window[5] == b's').count();
            prepared.fetch_add(parses, Ordering::Relaxed);
        }
        if to.write_all(sent).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(std::net::Shutdown::Both), to.shutdown(std::net::Shutdown::Both));
}

// S15.02
#[test]
#[cfg_attr(not(has_postgres), ignore = "needs PostgreSQL: tests/peers/install")]
fn s15_02_a_silent_connection_is_replaced_after_one_time_limit() {
    let database = Postgres::start();
    let proxy = Proxy::start(&database);
    let store = PostgresStore::connect(&proxy.settings()).expect("a store");
    let find = |n: u8| store.contains_id(IdList::RevokedTokens, &[n; 32], UnixTime::from_secs(20));
    let insert = |n: u8| {
        let (ends, now) = (UnixTime::from_secs(20), UnixTime::from_secs(10));
        store.insert_id(IdList::RevokedTokens, "a", &[n; 32], ends, now)
    };
    for n in 0..50 {
        assert_eq!((insert(n), find(n)), (Ok(Insertion::New), Ok(true)));
    }
    assert_eq!(proxy.opened(), 1);
    let prepared = proxy.prepared.load(Ordering::Relaxed);
    assert!(prepared <= 4, "each statement is prepared once: {prepared}");

    proxy.swallow();
    let start = Instant::now();
    let failed = std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..30).map(|n| scope.spawn(move || find(n))).collect();
        waiting.into_iter().map(|waiting| waiting.join().expect("no panic")).filter(Result::is_err).count()
    });
    assert!(failed <= 30 && start.elapsed() < Duration::from_secs(12), "{failed} in {:?}", start.elapsed());
    let start = Instant::now();
    for n in 0..50 {
        assert_eq!(find(n), Ok(true), "the next connection answers");
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(proxy.opened(), 2);
}

// S15.02
#[test]
#[cfg_attr(not(has_postgres), ignore = "needs PostgreSQL: tests/peers/install")]
fn s15_02_a_database_that_is_silent_for_new_connections_too_fails_all_waiting_queries_at_once() {
    let folder = private_folder().join(format!("cs-silent-{}", std::process::id()));
    let database = Postgres::start();
    let proxy = Proxy::start(&database);
    let store = PostgresStore::connect(&proxy.settings()).expect("a store");
    proxy.swallow();
    let socket = proxy.folder.join(".s.PGSQL.5432");
    std::fs::remove_file(&socket).expect("removed");
    let _silent = UnixListener::bind(&socket).expect("a socket that nobody serves");
    let start = Instant::now();
    let kinds = std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..20)
            .map(|n| {
                scope.spawn({
                    let store = &store;
                    move || store.contains_id(IdList::RevokedTokens, &[n; 32], UnixTime::from_secs(20))
                })
            })
            .collect();
        waiting
            .into_iter()
            .map(|waiting| waiting.join().expect("no panic").expect_err("silent").kind())
            .collect::<Vec<_>>()
    });
    assert!(kinds.iter().all(|kind| *kind == StoreErrorKind::Unavailable), "{kinds:?}");
    assert!(start.elapsed() < Duration::from_secs(16), "{:?}", start.elapsed());
    drop(folder);
}

/// The lines that were logged on this thread.
#[derive(Clone, Debug, Default)]
pub struct Lines(pub Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_outage_of_the_store_writes_sampled_log_lines() {
    countersign_tests::events::enable_events_on_every_thread();
    let clock = ManualClock::new(UnixTime::from_secs(1_700_000_000));
    let store = Arc::new(Blocking::default());
    let (issuer, credentials) = issuer(store.clone(), |builder| builder.clock(Arc::new(clock.clone())));
    let token = mint(&issuer);
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let _listening = tracing::subscriber::set_default(subscriber);
    store.fails.store(true, Ordering::Relaxed);
    for _ in 0..5 {
        for _ in 0..200 {
            let form = format!("token={}", token.as_str());
            let (status, retry_after, _) = post(&issuer, "/introspect", &credentials, &form).await;
            assert_eq!((status, retry_after.as_deref()), (StatusCode::SERVICE_UNAVAILABLE, Some("1")));
        }
        clock.advance(Duration::from_secs(1));
    }
    let text = String::from_utf8(lines.0.lock().expect("no panic").clone()).expect("text");
    let count = text.lines().count();
    assert!((5..=15).contains(&count), "{count} lines for 1,000 refusals in 5 s:\n{text}");
    assert!(text.contains("store failed") && text.contains("unlogged=199"), "{text}");
}

// S15.02
#[tokio::test(start_paused = true)]
async fn s15_02_a_store_that_never_answers_fails_a_request_after_ten_seconds() {
    let store = Arc::new(Blocking::new(true));
    let clock = ManualClock::new(UnixTime::from_secs(1_700_000_000));
    let (issuer, credentials) = issuer(store.clone(), |builder| builder.clock(Arc::new(clock)));
    let form = format!("token={}", mint(&issuer).as_str());
    assert_eq!(post(&issuer, "/introspect", &credentials, &form).await.0, StatusCode::OK);
    store.is_hung.store(true, Ordering::Relaxed);
    let until = Instant::now() + Duration::from_secs(20);
    let watchdog = std::thread::spawn({
        let store = Arc::clone(&store);
        move || {
            while store.is_hung.load(Ordering::Relaxed) && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(50));
            }
            store.is_hung.swap(false, Ordering::Relaxed) // true if nobody gave the call up
        }
    });
    let calls = store.calls.load(Ordering::Relaxed);
    let asked = tokio::spawn(async move { post(&issuer, "/introspect", &credentials, &form).await.0 });
    while store.calls.load(Ordering::Relaxed) == calls {
        tokio::task::yield_now().await;
    }
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(asked.await.expect("no panic"), StatusCode::SERVICE_UNAVAILABLE);
    store.is_hung.store(false, Ordering::Relaxed);
    assert!(!watchdog.join().expect("no panic"));
}

// S15.02
#[test]
#[cfg_attr(
    not(all(has_postgres, is_ci)),
    ignore = "needs PostgreSQL: tests/peers/install; takes long: CI=true runs it"
)]
fn s15_02_expired_ids_of_a_large_list_are_removed_in_parts() {
    let database = Postgres::start();
    let open = || PostgresStore::connect(&Secret::from(database.settings())).expect("a store");
    let insert = |store: &PostgresStore, client: &str, n: u64, expires_at: u64| {
        let (digest, ends) = (countersign_core::integration::sha256(&n.to_string()), UnixTime::from_secs(expires_at));
        let now = UnixTime::from_secs(100_000);
        store.insert_id(IdList::RevokedTokens, client, &digest, ends, now).expect("it answers")
    };
    let large = open();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let large = &large;
            scope.spawn(move || {
                for n in 0..1_300 {
                    assert_eq!(insert(large, &format!("web-{thread}"), thread * 10_000 + n, n), Insertion::New);
                }
            });
        }
    });
    let full = open().max_ids(10);
    let mut next = (100_000..).map(|n| insert(&full, "web", n, 200_000));
    assert_eq!(next.by_ref().take(2).collect::<Vec<_>>(), [Insertion::Full, Insertion::New]);
    assert_eq!(next.take_while(|inserted| *inserted == Insertion::New).take(20).count(), 4, "a client has half of 10");
}
