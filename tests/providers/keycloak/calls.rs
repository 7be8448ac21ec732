//! Calls with Keycloak's tokens.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use countersign::authenticate::CallerToken;
use countersign::issuers::Preset;
use countersign::key::Algorithm;
use countersign::mint::Signer;
use countersign::outbound::OutboundError;
use countersign::prelude::*;
use countersign::secret::Secret;
use countersign_tests::http::Service;
use serde_json::json;

use super::{keycloak, verifier};
use crate::service;

/// The status of a call of `orders` with these credentials.
async fn status(orders: &Service, credentials: ClientCredentials) -> Result<u16, OutboundError> {
    let outbound = Outbound::builder(reqwest::Client::new()).bind(orders.url(), credentials).build().expect("bound");
    let answer = outbound.send(outbound.client().get(format!("{}/orders", orders.url()))).await?;
    Ok(answer.status().as_u16())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_keycloak), ignore = "needs Keycloak: tests/peers/install")]
async fn s7_03_each_way_of_client_authentication_is_accepted_by_keycloak() {
    let server = keycloak().await;
    let orders = service::orders(verifier(&server)).await;
    let secret = || Secret::from("replace-me-billing");
    let billing =
        || ClientCredentials::from_issuer(server.issuer("shop")).client("billing", secret()).scope("orders:read");
    assert_eq!(status(&orders, billing()).await.expect("basic"), 200);
    assert_eq!(status(&orders, billing().client_secret_post()).await.expect("post"), 200);

    let signer = Arc::new(Signer::generate(Algorithm::ES256).expect("a key"));
    let keys = json!({ "keys": [signer.public_jwk()] }).to_string();
    let packing = json!({
        "clientId": "packing", "publicClient": false, "serviceAccountsEnabled": true, "standardFlowEnabled": false,
        "defaultClientScopes": ["basic"], "optionalClientScopes": ["orders:read"], "clientAuthenticatorType": "client-jwt",
        "attributes": { "use.jwks.string": "true", "jwks.string": keys, "token.endpoint.auth.signing.alg": "ES256" },
    });
    server.post("shop/clients", &packing).await;
    let packing =
        ClientCredentials::from_issuer(server.issuer("shop")).client_key("packing", signer).scope("orders:read");
    assert_eq!(status(&orders, packing).await.expect("private_key_jwt"), 200);

    let wrong = ClientCredentials::from_issuer(server.issuer("shop")).client("billing", Secret::from("wrong"));
    let error = status(&orders, wrong).await.expect_err("refused");
    assert_eq!(error.code(), "token_refused", "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_keycloak), ignore = "needs Keycloak: tests/peers/install")]
async fn s7_23_keycloak_exchanges_the_token_of_a_caller() {
    let server = keycloak().await;
    let billing = Preset::KEYCLOAK.issuer(server.issuer("shop")).audience("billing");
    let billing = Verifier::new(billing).expect("a verifier");
    let seen = Service::start(
        Router::new()
            .route("/invoices", get(|claims: Claims| async move { claims.subject().to_owned() }))
            .layer(require(scope("invoices:read")))
            .layer(AuthenticateLayer::new(billing)),
    )
    .await;
    let credentials = ClientCredentials::from_issuer(server.issuer("shop"))
        .client("orders", Secret::from("replace-me-orders"))
        .audience("billing")
        .scope("invoices:read");
    let outbound = Outbound::builder(reqwest::Client::new()).bind(seen.url(), credentials).build().expect("bound");

    let token = server.ann("openid orders:read").await;
    let ann = verifier(&server).verify(&token).await.expect("a good token");
    let caller = CallerToken::unverified(&Secret::from(token), ann.expires_at());
    let outbound = outbound.on_behalf_of(&caller);
    let answer = outbound.send(outbound.client().get(format!("{}/invoices", seen.url()))).await.expect("an exchange");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.expect("text"), ann.subject(), "the user stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_keycloak), ignore = "needs Keycloak: tests/peers/install")]
async fn a_secret_that_changes_at_keycloak_while_calls_are_made_fails_none() {
    let server = keycloak().await;
    let orders = service::orders(verifier(&server)).await;
    let client = json!({
        "clientId": "rotating", "secret": "first-secret", "publicClient": false, "serviceAccountsEnabled": true,
        "standardFlowEnabled": false, "optionalClientScopes": ["orders:read"], "attributes": { "access.token.lifespan": "8" },
    });
    server.post("shop/clients", &client).await;
    let id = server.get("shop/clients?clientId=rotating").await[0]["id"].as_str().expect("an id").to_owned();
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("rotating-secret");
    std::fs::write(&file, "first-secret").expect("a file");
    let credentials = ClientCredentials::from_issuer(server.issuer("shop"))
        .client("rotating", Secret::from_file(&file))
        .scope("orders:read");
    let outbound = Outbound::builder(reqwest::Client::new()).bind(orders.url(), credentials).build().expect("bound");
    let began = std::time::Instant::now();
    let (mut calls, mut is_changed) = (0, false);
    while began.elapsed().as_secs() < 20 {
        let answer = outbound.send(outbound.client().get(format!("{}/orders", orders.url()))).await.expect("a token");
        assert_eq!(answer.status(), 200, "after {calls} calls");
        calls += 1;
        if !is_changed && began.elapsed().as_secs() >= 4 {
            is_changed = true;
            let mut changed = server.get(&format!("shop/clients/{id}")).await;
            changed["secret"] = json!("second-secret");
            server.put(&format!("shop/clients/{id}"), &changed).await;
            std::fs::write(&file, "second-secret").expect("a file");
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    println!("{calls} calls while the secret changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_keycloak), ignore = "needs Keycloak: tests/peers/install")]
async fn s6_01_s7_21_tokens_of_keycloak_that_are_bound_to_a_key_are_only_good_with_it() {
    let server = keycloak().await;
    let client = json!({
        "clientId": "bound", "secret": "replace-me-bound", "publicClient": false, "serviceAccountsEnabled": true,
        "standardFlowEnabled": false, "optionalClientScopes": ["orders:read"],
        "attributes": { "dpop.bound.access.tokens": "true" },
    });
    server.post("shop/clients", &client).await;
    let bound = ClientCredentials::from_issuer(server.issuer("shop")).client("bound", Secret::from("replace-me-bound"));
    crate::bound::assert_bound(verifier(&server), bound).await;
}
