//! The decision in the process of a proxy in Rust.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, Uri, header};
use axum::{Json, Router};
use countersign_gateway::{DecideLayer, Rules};
use countersign_tests::proxy::HOST;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::world::World;

/// A proxy whose service tells what it would send.
fn proxy(world: &World) -> Router {
    let sent = async |uri: Uri, headers: HeaderMap| {
        let text = |name: &str| {
            let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default().to_owned());
            values.collect::<Vec<_>>()
        };
        let names: Vec<&str> = headers.keys().map(header::HeaderName::as_str).collect();
        let body = json!({
            "uri": uri.path_and_query().map(ToString::to_string), "caller": text("x-caller"), "connection": text("connection"),
            "names": names,
        });
        Json(body)
    };
    Router::new().fallback(sent).layer(DecideLayer::new(world.gateway()))
}

async fn asks(proxy: &Router, request: Request<Body>) -> (u16, Value) {
    let answer = proxy.clone().oneshot(request).await.expect("an answer");
    let status = answer.status().as_u16();
    let body = to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

fn request(uri: &str, headers: &[&str]) -> Request<Body> {
    let builder = headers.iter().filter_map(|line| line.split_once(": "));
    let builder = builder.fold(Request::get(uri), |builder, (name, value)| builder.header(name, value));
    builder.body(Body::empty()).expect(uri)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_12_a_proxy_in_rust_decides_as_the_library() {
    let world = World::new().await;
    let proxy = proxy(&world);
    for (path, method) in
        [("/orders", "GET"), ("/orders", "POST"), ("/health", "GET"), ("/other", "GET"), ("/orders", "HEAD")]
    {
        let decided = world.credentials(method, path).await;
        let expected = world.credentials(method, path).await;
        for ((what, headers), (_, again)) in decided.into_iter().zip(expected) {
            let mut asked = request(path, &[&format!("Host: {HOST}")]);
            *asked.method_mut() = method.parse().expect(method);
            for line in &headers {
                let (name, value) = line.split_once(": ").expect("a header");
                asked
                    .headers_mut()
                    .append(name.parse::<header::HeaderName>().expect(name), value.parse().expect(value));
            }
            let status = asks(&proxy, asked).await.0;
            assert_eq!(status, world.decides(method, path, &again).await, "{method} {path} {what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_01_s9_02_nothing_of_a_client_passes_as_the_gateways() {
    let world = World::new().await;
    let proxy = proxy(&world);
    let (host, good) = (format!("Host: {HOST}"), world.good());
    let hostile = [
        &host,
        &good,
        "X-Caller: admin",
        "x_caller: admin",
        "X.Caller: admin",
        "x-caller-bin: admin",
        "X-Original-URL: /admin",
        "Connection: close, X-Caller, authorization",
        "Connection: X-Caller",
        "Accept: text/html",
    ];
    let (status, sent) = asks(&proxy, request("/orders?page=2", &hostile)).await;
    assert_eq!((status, &sent["uri"]), (200, &json!("/orders?page=2")));
    assert_eq!((&sent["caller"], &sent["connection"]), (&json!(["ann"]), &json!(["close"])), "{sent}");
    let names: Vec<&str> = sent["names"].as_array().expect("names").iter().filter_map(Value::as_str).collect();
    assert_eq!(names.iter().filter(|name| name.contains("caller")).count(), 1, "{names:?}");
    assert!(names.contains(&"accept") && !names.contains(&"x-original-url"), "{names:?}");
    let (_, anonymous) = asks(&proxy, request("/health", &[&host, "X-Caller: admin"])).await;
    assert_eq!(anonymous["caller"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_12_a_request_with_two_readings_is_refused_before_the_proxy() {
    let world = World::new().await;
    let proxy = proxy(&world);
    let (host, good) = (format!("Host: {HOST}"), world.good());
    for path in ["//orders", "/orders/../admin", "/orders%2f7", "/orders;a=b", "/%6frders", "*"] {
        assert_eq!(asks(&proxy, request(path, &[&host, &good])).await.0, 400, "{path}");
    }
    for hosts in [&[][..], &[&host[..], "Host: other.test"], &[&host[..], &host[..]], &["Host: ann@shop.example.com"]] {
        let asked = request("/orders", &[hosts, &[&good]].concat());
        assert_eq!(asks(&proxy, asked).await.0, 400, "{hosts:?}");
    }
    let absolute = |host: &str| format!("http://{host}/orders");
    assert_eq!(asks(&proxy, request(&absolute(HOST), &[&host, &good])).await.0, 200);
    assert_eq!(asks(&proxy, request(&absolute(HOST), &[&good])).await.0, 200, "as HTTP/2 tells it");
    assert_eq!(asks(&proxy, request(&absolute("other.test"), &[&host, &good])).await.0, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s5_23_refusals_are_the_librarys_and_replaced_rules_count_at_once() {
    let world = World::new().await;
    let gateway = world.gateway();
    let proxy = Router::new().fallback(async || "passed").layer(DecideLayer::new(gateway.clone()));
    let host = format!("Host: {HOST}");
    let refused = proxy.clone().oneshot(request("/orders", &[&host])).await.expect("an answer");
    assert_eq!(refused.status(), 401);
    assert!(refused.headers()["www-authenticate"].to_str().is_ok_and(|value| value.starts_with("Bearer ")));
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    let good = world.good();
    assert_eq!(asks(&proxy, request("/orders", &[&host, &good])).await.0, 200);
    let table = countersign::app::RouteTable::from_json("[]").expect("a table");
    let headers = countersign_gateway::ReservedHeaders::new().build().expect("names");
    gateway.replace(Rules::new(&table, world.layer(), headers).expect("rules"));
    assert_eq!(asks(&proxy, request("/orders", &[&host, &good])).await.0, 404);
}
