//! Opaque tokens of Hydra, by its introspection.

use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use countersign::introspect::Introspection;
use countersign::prelude::*;
use countersign_tests::http::Service;
use reqwest::Method;
use serde_json::json;

use super::{Hydra, hydra, verifier};

/// The age of an answer.
const AGE: Duration = Duration::from_secs(1);

/// The service `orders`, which asks Hydra about opaque tokens.
async fn orders(server: &Hydra) -> Service {
    let introspection = Introspection::at_issuer(server.issuer())
        .endpoint(server.introspection_endpoint())
        .client("orders", "its administration asks for no secret")
        .token_prefix("ory_at_")
        .max_age(AGE);
    let layer = AuthenticateLayer::builder(verifier(server)).introspection(introspection).build().expect("a layer");
    let who = |claims: Claims| async move { format!("{} {:?}", claims.subject(), claims.verified().token_kind()) };
    let router = Router::new().route("/orders", get(who).layer(require(scope("orders:read"))));
    Service::start(router.route("/me", get(who)).layer(layer)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_hydra), ignore = "needs Ory Hydra: tests/peers/install")]
async fn s13_01_hydra_vouches_for_its_opaque_tokens_until_they_are_revoked() {
    let server = hydra().await;
    let client = json!({
        "client_id": "opaque", "client_secret": "replace-me-opaque", "grant_types": ["client_credentials"],
        "scope": "orders:read", "audience": ["orders", "stock"], "access_token_strategy": "opaque",
        "token_endpoint_auth_method": "client_secret_post",
    });
    server.admin(Method::POST, "clients", &client).await;
    let token = async |audience: &str| {
        let fields = [("grant_type", "client_credentials"), ("client_id", "opaque"), ("scope", "orders:read")];
        let secret = [("client_secret", "replace-me-opaque"), ("audience", audience)];
        let answer = server.grant(&[&fields[..], &secret[..]].concat()).await;
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    };
    let orders = orders(&server).await;
    let good = token("orders").await;
    assert!(good.starts_with("ory_at_"), "it is opaque");
    let accepted = orders.get("/orders", &good).await;
    assert_eq!((accepted.status, accepted.body.as_str()), (200, "opaque Opaque"));
    let signed = server.billing_for_orders().await;
    assert_eq!(orders.get("/me", &signed).await.body, "billing Signed", "its signed tokens are verified as before");
    assert_eq!(orders.get("/orders", &token("stock").await).await.status, 401, "for another service");
    let invented = format!("{}AAAA", &good[..good.len() - 4]);
    assert_eq!(orders.get("/orders", &invented).await.status, 401);

    let url = format!("{}/oauth2/revoke", server.issuer());
    let form = [("token", good.as_str()), ("client_id", "opaque"), ("client_secret", "replace-me-opaque")];
    let revoked = reqwest::Client::new().post(url).form(&form).send().await.expect("an answer");
    assert!(revoked.status().is_success(), "{revoked:?}");
    let began = Instant::now();
    while orders.get("/orders", &good).await.status == 200 {
        assert!(began.elapsed() < AGE + Duration::from_secs(1), "it is still accepted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("Hydra: refused {:?} after its revocation", began.elapsed());
}
