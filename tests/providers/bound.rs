//! Tokens of a provider that are bound to a key (RFC 9449).

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::routing::get;
use countersign::authz::proof_of_possession;
use countersign::outbound::DpopKey;
use countersign::prelude::*;
use countersign::proof::Dpop;
use countersign_tests::http::Service;
use tokio::net::TcpListener;

/// Asserts that the client gets tokens that are bound to its key, that `verifier` accepts them with a proof, and that nobody else
/// can use what was sent.
pub async fn assert_bound(verifier: Verifier, client: ClientCredentials) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    let layer = AuthenticateLayer::builder(verifier).dpop(Dpop::at(&address)).build().expect("a layer");
    let sent: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let record = {
        let sent = Arc::clone(&sent);
        move |request: Request, next: Next| {
            let value = |name: &str| request.headers()[name].to_str().expect("text").to_owned();
            sent.lock().expect("not poisoned").push((value("authorization"), value("dpop")));
            next.run(request)
        }
    };
    let router = Router::new()
        .route("/orders", get(|| async { "orders" }))
        .layer(require(scope("orders:read").and(proof_of_possession())))
        .layer(layer)
        .layer(from_fn(record));
    let orders = Service::on(listener, router);

    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let client = client.scope("orders:read").dpop(DpopKey::generate().expect("a key"));
    let outbound = Outbound::builder(http).client_follows_no_redirects().bind(orders.url(), client);
    let outbound = outbound.build().expect("bound");
    for _ in 0..2 {
        let answer = outbound.send(outbound.client().get(format!("{}/orders", orders.url()))).await.expect("a token");
        assert_eq!(answer.status(), 200);
    }
    let sent = sent.lock().expect("not poisoned").clone();
    let [(authorization, first), (again, second)] = &sent[..] else { panic!("{} requests", sent.len()) };
    assert!(authorization.starts_with("DPoP ") && authorization == again && first != second, "one token, two proofs");

    let token = authorization.trim_start_matches("DPoP ");
    let header = |name: &str, value: &str| format!("{name}: {value}");
    for (why, code, headers) in [
        ("used before", "invalid_dpop_proof", vec![header("authorization", authorization), header("dpop", first)]),
        ("no key", "token_invalid", vec![header("authorization", &format!("Bearer {token}")), header("dpop", "")]),
    ] {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let answer = orders.request("GET /orders", &headers).await;
        assert_eq!((answer.status, &*answer.code()), (401, code), "{why}");
    }
}
