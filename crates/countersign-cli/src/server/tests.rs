//! Clients that send or read nothing, over real sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::{Limits, serve};

/// A limit that a test waits for.
const SHORT: Duration = Duration::from_millis(300);

/// A time by which everything is over.
const SOON: Duration = Duration::from_secs(20);

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

struct Running {
    address: SocketAddr,
    shutdown: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Running {
    async fn start(settings: impl FnOnce(&mut Limits)) -> Self {
        let router = Router::new()
            .route("/", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }))
            .route("/", post(|body: Bytes| async move { body.len().to_string() }))
            .route("/slow", get(async || tokio::time::sleep(SHORT * 3).await))
            .route("/large", get(async || "x".repeat(1 << 20)));
        Self::start_with(router, settings).await
    }

    async fn start_with(router: Router, settings: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::new(1000);
        settings(&mut limits);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (shutdown, end) = oneshot::channel();
        let server = tokio::spawn(serve(listener, router, limits, async { drop(end.await) }));
        Running { address, shutdown, server }
    }

    async fn send(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.expect("it listens");
        stream.write_all(text.as_bytes()).await.expect("sent");
        stream
    }

    async fn ask(&self, text: &str) -> String {
        rest(&mut self.send(text).await).await
    }
}

/// Reads until the server closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = timeout(SOON, stream.read_to_end(&mut answer)).await;
    let _ = read.expect("the server closes the connection"); // or resets it
    String::from_utf8_lossy(&answer).into_owned()
}

/// The first answer on a connection that stays open.
async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = vec![0; 4096];
    let read = timeout(SOON, stream.read(&mut answer)).await.expect("an answer").unwrap_or(0);
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[tokio::test]
async fn a_request_gets_its_answer_and_the_handler_the_peer() {
    let running = Running::start(|_| {}).await;
    let mut stream = running.send(GET).await;
    for _ in 0..2 {
        let answer = answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("127.0.0.1"), "{answer}");
        stream.write_all(GET.as_bytes()).await.expect("kept alive");
    }
    let chunked =
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n2\r\nab\r\n0\r\n\r\n";
    assert!(running.ask(chunked).await.ends_with("\r\n2"));
}

#[tokio::test]
async fn half_open_and_silent_connections_stop_nobody() {
    let running = Running::start(|limits| limits.max_connections = 20).await;
    let mut half_open = Vec::new();
    for n in 0..300 {
        half_open.push(running.send(["", "GET / HTT", "POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nx"][n % 3]).await);
    }
    let start = Instant::now();
    for _ in 0..50 {
        assert!(answer(&mut running.send(GET).await).await.starts_with("HTTP/1.1 200"));
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_request_in_progress_keeps_its_place() {
    let running = Running::start(|limits| limits.max_connections = 4).await;
    let mut slow = running.send(&GET.replace("/ ", "/slow ")).await;
    let mut others = Vec::new();
    for _ in 0..50 {
        others.push(running.send("GET").await);
        assert!(answer(&mut running.send(GET).await).await.starts_with("HTTP/1.1 200"));
    }
    assert!(answer(&mut slow).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn more_requests_than_may_be_in_progress_get_503_at_once() {
    let running = Running::start(|limits| limits.max_requests = 1).await;
    let mut slow = running.send(&GET.replace("/ ", "/slow ")).await;
    tokio::time::sleep(SHORT / 2).await;
    let refused = answer(&mut running.send(GET).await).await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after: 1"), "{refused}");
    assert!(answer(&mut slow).await.starts_with("HTTP/1.1 200"));
    assert!(answer(&mut running.send(GET).await).await.starts_with("HTTP/1.1 200"), "there is a place again");
}

#[tokio::test]
async fn when_every_place_is_in_progress_a_new_connection_waits_for_one() {
    let running = Running::start(|limits| limits.max_connections = 2).await;
    let slow = GET.replace("/ ", "/slow ");
    let (mut one, mut other) = (running.send(&slow).await, running.send(&slow).await);
    tokio::time::sleep(SHORT / 2).await;
    let mut third = running.send(GET).await;
    let (one, other, third) = tokio::join!(answer(&mut one), answer(&mut other), answer(&mut third));
    assert!([one, other, third].iter().all(|answer| answer.starts_with("HTTP/1.1 200")));
}

#[tokio::test]
async fn a_slow_head_a_slow_body_and_an_idle_connection_end() {
    let running = Running::start(|limits| (limits.head_timeout, limits.body_timeout) = (SHORT, SHORT)).await;
    assert_eq!(running.ask("GET / HTTP/1.1\r\nhost: x\r\n").await, "");
    assert_eq!(running.ask("").await, "");
    let mut idle = running.send(GET).await;
    assert!(answer(&mut idle).await.starts_with("HTTP/1.1 200"));
    assert_eq!(rest(&mut idle).await, "");
    let body = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc";
    assert_oauth_error(&running.ask(body).await, "408");

    // Bytes that come one at a time extend no limit.
    let mut drip = running.send(body).await;
    let start = Instant::now();
    while drip.write_all(b"x").await.is_ok() && start.elapsed() < SOON {
        tokio::time::sleep(SHORT / 2).await;
    }
    assert!(start.elapsed() < SOON);
}

#[track_caller]
fn assert_oauth_error(answer: &str, status: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    for line in ["content-type: application/json", "cache-control: no-store", "connection: close"] {
        assert!(head.contains(line), "{line}: {answer}");
    }
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert!(body["error"] == "invalid_request" && body["error_description"].is_string(), "{body}");
}

#[tokio::test]
async fn a_large_head_and_a_large_body_are_refused() {
    let running = Running::start(|_| {}).await;
    let head = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(300_000));
    let answer = running.ask(&head).await; // empty if the rest of the head was on its way
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let declared = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1001\r\n\r\n";
    assert_oauth_error(&running.ask(declared).await, "413");
    let broken = "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n";
    assert_oauth_error(&running.ask(broken).await, "400");
    let chunked = "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    assert!(
        running.ask(&format!("{chunked}3e9\r\n{}\r\n0\r\n\r\n", "y".repeat(1001))).await.starts_with("HTTP/1.1 413")
    );
    let fits =
        format!("POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1000\r\n\r\n{}", "y".repeat(1000));
    assert!(running.ask(&fits).await.ends_with("\r\n1000"));
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_disconnected() {
    let running = Running::start(|limits| limits.write_timeout = SHORT).await;
    let mut stream = running.send(&GET.replace("/ ", "/large ").repeat(40)).await;
    tokio::time::sleep(SHORT * 4).await;
    assert!(rest(&mut stream).await.len() < 40 << 20, "it did not get every answer");
}

#[tokio::test]
async fn shutdown_answers_requests_in_progress_and_waits_for_nobody_else() {
    let running = Running::start(|limits| limits.drain_timeout = SHORT * 5).await;
    let mut slow = running.send(&GET.replace("/ ", "/slow ")).await;
    let _half = running.send("POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nx").await;
    tokio::time::sleep(SHORT / 2).await;
    let start = Instant::now();
    running.shutdown.send(()).expect("running");
    let answer = answer(&mut slow).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
    timeout(SOON, running.server).await.expect("it ends").expect("no panic");
    assert!(start.elapsed() < SHORT * 10, "{:?}", start.elapsed());
    assert!(TcpStream::connect(running.address).await.is_err(), "it listens no more");
}

// S15.02: a task that never comes to its next await cannot be aborted.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_handler_that_blocks_its_thread_does_not_stop_the_end() {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (began, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let released = std::sync::Mutex::new(released);
    let blocking = Arc::new(move || {
        let _ = began.send(());
        let _ = released.lock().expect("no panic").recv();
    });
    let router = Router::new().route("/", get(async move || blocking()));
    let running = Running::start_with(router, |limits| limits.drain_timeout = SHORT).await;
    let _held = running.send(GET).await;
    begun.recv().await.expect("in progress");
    running.shutdown.send(()).expect("running");
    let ended = timeout(SOON, running.server).await;
    drop(release); // or the runtime waits for it
    ended.expect("it ends").expect("no panic");
}
