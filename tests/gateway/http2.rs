//! Clients of HTTP/2 at HAProxy, which tells their addresses with the host (S9.12).

use countersign_gateway::Edge;
use http::Request;
use http_body_util::Empty;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::backend::{target, values};
use crate::each::running;
use crate::edge::Running;
use crate::world::World;

type Body = Empty<bytes::Bytes>;

async fn connect(edge: &Running) -> SendRequest<Body> {
    let stream = TcpStream::connect(("127.0.0.1", edge.proxy.port)).await.expect("connects");
    let (client, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
    tokio::spawn(connection);
    client
}

/// The status; 599 if there is none.
async fn ask(edge: &Running, method: &str, address: &str, headers: &[&str]) -> u16 {
    let mut request = Request::builder().method(method).uri(address);
    for (name, value) in headers.iter().filter_map(|line| line.split_once(": ")) {
        request = request.header(name, value);
    }
    let Ok(request) = request.body(Body::new()) else { return 599 };
    let answer = connect(edge).await.send_request(request).await;
    answer.map_or(599, |answer| answer.status().as_u16())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_haproxy), ignore = "needs HAProxy: tests/peers/install")]
async fn s9_12_haproxy_decides_about_the_address_of_a_request_over_http2() {
    let world = World::new().await;
    let edge = running(Edge::Haproxy, world.gateway()).await;
    let (good, weak) = (world.good(), world.token("other", "clerk"));
    for scheme in ["http", "https"] {
        let url = |path: &str| format!("{scheme}://shop.example.com{path}");
        assert_eq!(ask(&edge, "GET", &url("/orders?id=7"), &[&good, "x-caller: admin"]).await, 200);
        let [head] = &edge.backend.seen()[..] else { panic!("one request") };
        assert_eq!((target(head), values(head, "x-caller")), ("/orders?id=7", vec!["ann"]), "{head}");
        assert_eq!(values(head, "host"), ["shop.example.com"]);
        assert_eq!(ask(&edge, "GET", &url("/health"), &["x_caller: admin"]).await, 200);
        assert!(edge.backend.seen().iter().all(|head| !head.contains("admin")));
        assert_eq!(ask(&edge, "GET", &url("/orders"), &[]).await, 401);
        assert_eq!(ask(&edge, "GET", &url("/orders"), &[&weak]).await, 403);
        assert_eq!(ask(&edge, "POST", &url("/orders"), &[&good]).await, 403);
    }
    assert!(edge.backend.seen().is_empty());
    let url = |rest: &str| format!("https://shop.example.com{rest}");
    for address in [
        "//orders",
        "/orders/../orders",
        "/%6frders",
        "/orders;x",
        "/orders%2f",
        "/health/../orders",
        "//health",
        "/health%2f..%2forders",
        "//shop.example.com/health",
        "/https://shop.example.com/health",
    ] {
        let status = ask(&edge, "GET", &url(address), &[&good]).await;
        let seen = edge.backend.seen();
        assert!(status >= 400 && seen.is_empty(), "{address}: {status} {seen:?}");
    }
    // Another host is the client's word, also over HTTP/1.1. Two of them are refused, or agree at the service.
    for host in ["evil.test", "shop.example.com"] {
        let header = format!("host: {host}");
        let status = ask(&edge, "GET", &url("/orders"), &[&good, &header]).await;
        let seen = edge.backend.seen();
        let hosts: Vec<_> = seen.iter().flat_map(|head| values(head, "host")).collect();
        assert!(hosts.len() == seen.len() && (status == 200) == (hosts.len() == 1), "{header}: {status} {hosts:?}");
        assert!(!hosts.contains(&"evil.test"), "{header}: {status} {hosts:?}");
    }
    for headers in [["x-http-method-override: DELETE"], ["x-original-url: /admin"], ["x-countersign-uri: /health"]] {
        ask(&edge, "GET", &url("/orders"), &[&good, headers[0]]).await;
        let seen = edge.backend.seen();
        assert!(seen.iter().all(|head| !head.contains("DELETE") && !head.contains("/admin")), "{seen:?}");
        let status = ask(&edge, "GET", &url("/orders"), &[&weak, headers[0]]).await;
        assert!(status >= 400 && edge.backend.seen().is_empty(), "{headers:?}: {status}");
    }
    assert!(ask(&edge, "CONNECT", "shop.example.com:443", &[&good]).await >= 400);
    assert!(ask(&edge, "OPTIONS", &url("/"), &[&good]).await >= 400);
    assert!(edge.backend.seen().is_empty());
}
