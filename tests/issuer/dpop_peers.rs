//! A DPoP client of another project, at this issuer and at a service that takes its tokens.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use countersign::prelude::*;
use countersign::proof::{Dpop, Nonces};
use countersign_core::mint::Draft;
use countersign_tests::{http, peers};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::service::{SECRET, Service, claims, shop};

const ALGORITHMS: [&str; 5] = ["ES256", "ES384", "Ed25519", "RS256", "PS256"];

/// What oauth4webapi sees; with `has_nonces`, issuer and service demand nonces.
async fn seen(has_nonces: bool) -> Value {
    let nonces = || Nonces::generate().expect("random bytes");
    let issuer = Service::with(|builder| {
        let builder = shop(builder);
        if has_nonces { builder.dpop_nonces(nonces()) } else { builder }
    })
    .await;
    let trusted = issuer.issuer.trusted_for("billing");
    let verifier = Verifier::builder().trust(trusted).clock(Arc::new(issuer.clock.clone())).build().expect("sound");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let dpop = Dpop::at(format!("http://{}", listener.local_addr().expect("bound")));
    let dpop = if has_nonces { dpop.nonces(nonces()) } else { dpop };
    let layer = AuthenticateLayer::builder(verifier).dpop(dpop).build().expect("a layer");
    let who = async |caller: Claims| caller.subject().to_owned();
    let resource = http::Service::on(listener, Router::new().route("/who", get(who)).layer(layer));

    let user = || Draft::access_token().subject("ann").audience("orders").client_id("web-shop").scope("read");
    let mint = |draft: &Draft| issuer.issuer.mint(draft).expect("a token").as_str().to_owned();
    let jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"; // of the published key of RFC 9449
    let given = json!({
        "issuer": issuer.issuer.name(),
        "secret": SECRET,
        "resource": format!("{}/who?page=2", resource.url()),
        "algorithms": ALGORITHMS,
        "user_token": mint(&user()),
        "bound_user_token": mint(&user().claim("cnf", json!({ "jkt": jkt }))),
    });
    let command = peers::node("issuer_dpop.mjs");
    tokio::task::spawn_blocking(move || peers::answer(command, &given)).await.expect("no panic")
}

fn check(seen: &Value) {
    assert!(seen["algorithms"].as_array().expect("a list").iter().any(|name| name == "ES256"), "{seen}");
    for token in seen["tokens"].as_array().expect("tokens") {
        assert_eq!(token["type"], "dpop", "as their client writes it");
        assert_eq!(claims(token["token"].as_str().expect("a token"))["cnf"], json!({ "jkt": token["jkt"] }));
        assert_eq!(token["used"], json!([[200, "orders"], [200, "orders"]]));
    }
    assert_eq!(seen["tokens"].as_array().map(Vec::len), Some(ALGORITHMS.len()));
    assert_eq!(seen["replayed"], json!([400, "invalid_dpop_proof"]));
    assert_eq!(seen["stolen"], json!([[401, "invalid_token"], [401, "invalid_token"]]));
    assert_eq!(seen["exchanged"], json!(["dpop", [400, "invalid_request"]]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_node), ignore = "needs Node.js: tests/peers/install")]
async fn s6_20_oauth4webapi_gets_bound_tokens_that_a_service_takes() {
    let seen = seen(false).await;
    check(&seen);
    assert_eq!(seen["repeated"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_node), ignore = "needs Node.js: tests/peers/install")]
async fn s6_20_s6_17_oauth4webapi_learns_the_nonces_of_issuer_and_service() {
    let seen = seen(true).await;
    check(&seen);
    assert_eq!(seen["repeated"], 2 * ALGORITHMS.len(), "each key learns one of the issuer and one of the service");
}
