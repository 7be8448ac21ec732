//! Keycloak's introspection, which is also asked about its signed tokens.

use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use countersign::introspect::Introspection;
use countersign::prelude::*;
use countersign_tests::http::Service;

use super::{Keycloak, keycloak, verifier};

/// The age of an answer.
const AGE: Duration = Duration::from_secs(1);

async fn orders(server: &Keycloak) -> Service {
    let introspection = Introspection::at_issuer(server.issuer("shop"))
        .client("orders", "replace-me-orders")
        .also_ask_about_signed_tokens()
        .max_age(AGE);
    let layer = AuthenticateLayer::builder(verifier(server)).introspection(introspection).build().expect("a layer");
    let who = |claims: Claims| async move { format!("{:?}", claims.verified().token_kind()) };
    let router = Router::new().route("/orders", get(who).layer(require(scope("orders:read"))));
    Service::start(router.layer(layer)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_keycloak), ignore = "needs Keycloak: tests/peers/install")]
async fn s13_07_keycloak_is_also_asked_about_its_signed_tokens_and_a_revoked_one_is_refused() {
    let server = keycloak().await;
    let orders = orders(&server).await;
    let good = server.billing("orders:read").await;
    let accepted = orders.get("/orders", &good).await;
    assert_eq!((accepted.status, accepted.body.as_str()), (200, "Signed"));
    let secret = ("client_secret", "replace-me-billing");
    let billing = [("grant_type", "client_credentials"), ("client_id", "billing"), secret];
    let other = server.token_of("shop", &billing).await;
    assert_eq!(orders.get("/orders", &other).await.status, 401, "for another service");
    let invented = orders.get("/orders", "an-opaque-token-that-nobody-gave").await;
    assert_eq!((invented.status, invented.code()), (401, "token_invalid".to_owned()));

    let url = format!("{}/protocol/openid-connect/revoke", server.issuer("shop"));
    let form = [("token", good.as_str()), ("client_id", "billing"), secret];
    let revoked = reqwest::Client::new().post(url).form(&form).send().await.expect("an answer");
    assert!(revoked.status().is_success(), "{revoked:?}");
    let began = Instant::now();
    while orders.get("/orders", &good).await.status == 200 {
        assert!(began.elapsed() < AGE + Duration::from_secs(1), "it is still accepted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("Keycloak: refused {:?} after its revocation", began.elapsed());
}
