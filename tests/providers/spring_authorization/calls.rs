//! Calls with the tokens of Spring's server.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use countersign::authenticate::CallerToken;
use countersign::outbound::OutboundError;
use countersign::policy::Policy;
use countersign::prelude::*;
use countersign::secret::Secret;
use countersign_tests::http::Service;

use super::login::login;
use super::{AuthorizationServer, server, verifier};
use crate::service;

/// The status of a call of `orders` with these credentials.
async fn status(orders: &Service, credentials: ClientCredentials) -> Result<u16, OutboundError> {
    let outbound = Outbound::builder(reqwest::Client::new()).bind(orders.url(), credentials).build().expect("bound");
    Ok(outbound.send(outbound.client().get(format!("{}/orders", orders.url()))).await?.status().as_u16())
}

fn client(server: &AuthorizationServer, name: &str, secret: &str) -> ClientCredentials {
    ClientCredentials::from_issuer(server.issuer()).client(name, Secret::from(secret)).scope("orders:read")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_spring_authorization), ignore = "needs Spring Authorization Server: tests/peers/install")]
async fn s7_03_each_way_of_client_authentication_is_accepted_by_springs_server() {
    let server = server().await;
    let orders = service::orders(verifier(&server)).await;
    let billing = || client(&server, "billing", "replace-me-billing");
    assert_eq!(status(&orders, billing()).await.expect("basic"), 200);
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("spring-billing");
    std::fs::write(&file, "replace-me-billing\n").expect("a file");
    let text = format!("{}\n{}", super::guide().file("policy.toml"), super::guide().file("calls.toml"));
    let text = text.replace(super::GUIDE_ISSUER, server.issuer()).replace("https://orders.internal", &orders.url());
    let text = text.replace("/run/secrets/billing", file.to_str().expect("text"));
    let guided = Outbound::from_config(&Policy::from_toml(&text).expect("a policy")).expect("bound");
    let answer = guided.send(guided.client().get(format!("{}/orders", orders.url()))).await.expect("a token");
    assert_eq!(answer.status(), 200, "as the guide says");
    assert_eq!(status(&orders, billing().client_secret_post()).await.expect("post"), 200);
    let shipping = ClientCredentials::from_issuer(server.issuer()).client_key("shipping", Arc::clone(&server.shipping));
    assert_eq!(status(&orders, shipping.scope("orders:read")).await.expect("private_key_jwt"), 200);

    for wrong in [client(&server, "billing", "wrong"), client(&server, "billing", "wrong").client_secret_post()] {
        let error = status(&orders, wrong).await.expect_err("refused");
        assert_eq!(error.code(), "token_refused", "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_spring_authorization), ignore = "needs Spring Authorization Server: tests/peers/install")]
async fn s7_23_springs_server_exchanges_the_token_of_a_caller() {
    let server = server().await;
    let policy = super::guide().file("policy.toml").replace("audience = \"orders\"", "audience = \"billing\"");
    let billing = service::verifier(&policy, super::GUIDE_ISSUER, server.issuer());
    let seen = Service::start(
        Router::new()
            .route("/invoices", get(|claims: Claims| async move { claims.subject().to_owned() }))
            .layer(require(scope("billing:read")))
            .layer(AuthenticateLayer::new(billing)),
    )
    .await;
    let credentials = ClientCredentials::from_issuer(server.issuer())
        .client("orders", Secret::from("replace-me-orders"))
        .audience("billing")
        .scope("billing:read");
    let outbound = Outbound::builder(reqwest::Client::new()).bind(seen.url(), credentials).build().expect("bound");

    let ann = login(&server, "openid orders:read").await;
    let token = ann["access_token"].as_str().expect("a token").to_owned();
    let ann = verifier(&server).verify(&token).await.expect("a good token");
    let caller = CallerToken::unverified(&Secret::from(token), ann.expires_at());
    let outbound = outbound.on_behalf_of(&caller);
    let answer = outbound.send(outbound.client().get(format!("{}/invoices", seen.url()))).await.expect("an exchange");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.expect("text"), "ann", "the user stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_spring_authorization), ignore = "needs Spring Authorization Server: tests/peers/install")]
async fn s6_01_s7_21_tokens_of_springs_server_that_are_bound_to_a_key_are_only_good_with_it() {
    let server = server().await;
    let billing = client(&server, "billing", "replace-me-billing");
    crate::bound::assert_bound(verifier(&server), billing).await;
}
