//! Clients that send nothing or half a request, over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::serve::MAX_CONNECTIONS;
use super::{Server, until_stopped};

/// Less than the time limit of a request head.
const SOON: Duration = Duration::from_secs(20);

const HALVES: [&str; 3] = ["", "GET / HTT", "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nx"];

async fn start(routes: impl FnOnce(watch::Receiver<bool>) -> Router) -> (Server, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    (Server::start(listener, routes), address)
}

async fn send(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(text.as_bytes()).await.expect("sent");
    stream
}

/// The start of the answer; empty if the server closes the connection.
async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = vec![0; 4096];
    let read = timeout(SOON, stream.read(&mut answer)).await.expect("an answer").unwrap_or(0);
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

fn get_of(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")
}

#[tokio::test]
async fn s15_03_silent_and_half_open_connections_give_way_and_requests_in_progress_do_not() {
    let (began, mut begun) = mpsc::unbounded_channel();
    let (server, address) = start(|stopped| {
        let slow = move || {
            let _ = began.send(());
            until_stopped(stopped.clone())
        };
        Router::new().route("/", get(async || "ok")).route("/slow", get(slow))
    })
    .await;
    let mut slow = send(address, &get_of("/slow")).await;
    begun.recv().await.expect("in progress");
    let mut first = send(address, "").await;
    let mut held = Vec::new();
    for n in 0..MAX_CONNECTIONS {
        held.push(send(address, HALVES[n % 3]).await);
    }
    for _ in 0..3 {
        let mut idle = send(address, &get_of("/")).await;
        assert!(answer(&mut idle).await.starts_with("HTTP/1.1 200"));
        held.push(idle);
    }
    assert_eq!(answer(&mut first).await, "", "it has waited longest");
    server.stop().await;
    assert!(answer(&mut slow).await.starts_with("HTTP/1.1 200"));
}
