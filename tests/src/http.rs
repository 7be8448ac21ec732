//! A service on loopback, and a client that sends exactly the bytes a test wrote.

#![allow(clippy::expect_used, clippy::panic, reason = "a test helper tells a misuse by failing the test")]

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A router, served on a port of the system's choice until it is dropped.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    stop: Arc<Notify>,
    task: JoinHandle<()>,
}

/// An answer as it came over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case, in the order of arrival.
    pub headers: Vec<(String, String)>,
    /// The body, chunks joined.
    pub body: String,
}

impl Service {
    /// Serves `router`.
    pub async fn start(router: Router) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.expect("a free port"), router)
    }

    /// Serves `router` on a listener that was bound before, for a router that must know its own address.
    pub fn on(listener: TcpListener, router: Router) -> Self {
        let address = listener.local_addr().expect("bound");
        let stop = Arc::new(Notify::new());
        let serve = axum::serve(listener, router).with_graceful_shutdown(Arc::clone(&stop).notified_owned());
        let task = tokio::spawn(async move { serve.await.expect("serves") });
        Service { address, stop, task }
    }

    /// Serves `router`, which learns the address of its peer.
    pub async fn with_peers(router: Router) -> Self {
        Self::on_with_peers(TcpListener::bind("127.0.0.1:0").await.expect("a free port"), router)
    }

    /// Serves `router`, which learns the address of its peer, on a listener that was bound before.
    pub fn on_with_peers(listener: TcpListener, router: Router) -> Self {
        let address = listener.local_addr().expect("bound");
        let app = router.into_make_service_with_connect_info::<SocketAddr>();
        let stop = Arc::new(Notify::new());
        let serve = axum::serve(listener, app).with_graceful_shutdown(Arc::clone(&stop).notified_owned());
        let task = tokio::spawn(async move { serve.await.expect("serves") });
        Service { address, stop, task }
    }

    /// Ends it with the connections that clients keep open, which a drop leaves as they are.
    pub async fn stop(mut self) {
        self.stop.notify_one();
        (&mut self.task).await.expect("an end");
    }

    /// `http://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A connection of one's own.
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connects")
    }

    /// Sends these bytes and reads until the service closes; the request must say `Connection: close`.
    pub async fn send(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(request).await.expect("sends");
        read_answer(&mut stream).await
    }

    /// A request of this line and these header lines, without a body.
    pub async fn request(&self, line: &str, headers: &[&str]) -> Answer {
        let lines: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        self.send(format!("{line} HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n{lines}\r\n").as_bytes()).await
    }

    /// `GET path` with a bearer token.
    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.request(&format!("GET {path}"), &[&format!("Authorization: Bearer {token}")]).await
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Answer {
    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The challenge, or nothing.
    #[must_use]
    pub fn challenge(&self) -> &str {
        self.header("www-authenticate").unwrap_or_default()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("a body of JSON")
    }

    /// The `code` of a problem body.
    #[must_use]
    pub fn code(&self) -> String {
        self.json()["code"].as_str().expect("a code").to_owned()
    }
}

/// Reads one answer to its end.
pub async fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // A service that refuses early may reset the connection behind its answer.
    let _ = stream.read_to_end(&mut bytes).await;
    answer_of(&String::from_utf8_lossy(&bytes))
}

/// An answer from its text.
#[must_use]
pub fn answer_of(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let is_chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if is_chunked { join_chunks(body) } else { body.to_owned() };
    Answer { status: status.expect("a status line"), headers, body }
}

fn join_chunks(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, tail)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a chunk size");
        if size == 0 {
            break;
        }
        body.push_str(tail.get(..size).expect("a whole chunk"));
        rest = tail.get(size + 2..).unwrap_or_default();
    }
    body
}
