//! Authentication before the body is read and before a connection is upgraded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::any;
use countersign_test::TestIssuer;
use countersign_tests::http::{Service, read_answer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::app::{good, layer};

/// A service whose handler counts how often it ran.
async fn counting() -> (TestIssuer, Service, Arc<AtomicUsize>) {
    let issuer = TestIssuer::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let handler = any(move |body: axum::body::Bytes| async move {
        counter.fetch_add(1, Ordering::SeqCst);
        body.len().to_string()
    });
    let service = Service::start(Router::new().route("/", handler).layer(layer(&issuer))).await;
    (issuer, service, calls)
}

#[tokio::test]
async fn s5_25_a_refusal_does_not_wait_for_the_body() {
    let (_, service, calls) = counting().await;
    let mut stream = service.connect().await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    stream.write_all(head.as_bytes()).await.expect("sends");
    // The rest is never sent: an answer shows that the service did not wait for it.
    assert_eq!(read_answer(&mut stream).await.status, 401);
    let announced = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1073741824\r\n\r\n";
    assert_eq!(service.send(announced.as_bytes()).await.status, 401);
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn s5_25_no_100_continue_before_the_decision() {
    let (issuer, service, calls) = counting().await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n";
    assert_eq!(service.send(format!("{head}\r\n").as_bytes()).await.status, 401, "the first status line is the 401");

    let mut stream = service.connect().await;
    let good = format!("{head}Authorization: Bearer {}\r\n\r\n", good(&issuer).sign());
    stream.write_all(good.as_bytes()).await.expect("sends");
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.expect("an interim answer");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").await.expect("sends");
    assert_eq!(read_answer(&mut stream).await.body, "5");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn s5_21_upgrades_are_authenticated_first() {
    let (issuer, service, calls) = counting().await;
    let upgrade = ["Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="];
    assert_eq!(service.request("GET /", &upgrade).await.status, 401);
    let token = good(&issuer).sign();
    let carrier = format!("Sec-WebSocket-Protocol: bearer, {token}");
    let answer = service.request("GET /", &[upgrade[0], upgrade[1], upgrade[2], &carrier]).await;
    assert_eq!(answer.status, 401, "a subprotocol is no credential unless asked for");
    assert_eq!(answer.header("sec-websocket-protocol"), None);
    assert_eq!(service.request("CONNECT other.test:443", &[]).await.status, 401);
    assert_eq!(calls.load(Ordering::SeqCst), 0, "no handler ran");
    assert_eq!(service.get("/", &token).await.status, 200);
}
