//! Assertions that Hydra takes for tokens of its own.

use std::sync::Arc;

use countersign::key::Algorithm;
use countersign::mint::Signer;
use countersign::outbound::{Assertion, OutboundError};
use countersign::prelude::*;
use countersign::secret::Secret;
use countersign_tests::http::Service;
use reqwest::Method;
use serde_json::json;

use super::{Hydra, hydra, verifier};
use crate::service;

const PARTNER: &str = "https://partner.example";

/// The name of the caller that `orders` sees, if Hydra gives a token for this assertion.
async fn me(server: &Hydra, orders: &Service, assertion: Assertion) -> Result<String, OutboundError> {
    let credentials = ClientCredentials::from_issuer(server.issuer())
        .client("partner", Secret::from("replace-me-partner"))
        .assertion_audience(server.token_endpoint())
        .jwt_bearer(assertion)
        .scope("orders:read");
    let outbound = Outbound::builder(reqwest::Client::new()).bind(orders.url(), credentials).build().expect("bound");
    let answer = outbound.send(outbound.client().get(format!("{}/me", orders.url()))).await?;
    assert_eq!(answer.status(), 200);
    Ok(answer.text().await.expect("text"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_hydra), ignore = "needs Ory Hydra: tests/peers/install")]
async fn s7_05_hydra_takes_an_assertion_as_a_grant_for_the_service_that_it_names() {
    let server = hydra().await;
    let orders = service::orders(verifier(&server)).await;
    let client = json!({
        "client_id": "partner", "client_secret": "replace-me-partner", "scope": "orders:read",
        "grant_types": ["urn:ietf:params:oauth:grant-type:jwt-bearer"],
    });
    server.admin(Method::POST, "clients", &client).await;
    let signer = Arc::new(Signer::generate(Algorithm::ES256).expect("a key"));
    let issuer = json!({
        "issuer": PARTNER, "subject": "ann", "scope": ["orders:read"], "expires_at": "2100-01-01T00:00:00Z",
        "jwk": signer.public_jwk(),
    });
    server.admin(Method::POST, "trust/grants/jwt-bearer/issuers", &issuer).await;

    let ann = || Assertion::new(PARTNER, "ann", Arc::clone(&signer)).add_audience("orders");
    assert_eq!(me(&server, &orders, ann()).await.expect("a token"), "ann");
    let bob = Assertion::new(PARTNER, "bob", Arc::clone(&signer)).add_audience("orders");
    let error = me(&server, &orders, bob).await.expect_err("of another subject");
    assert_eq!(error.code(), "token_refused", "{error}");
    let other = Assertion::new(PARTNER, "ann", Signer::generate(Algorithm::ES256).expect("a key"));
    let error = me(&server, &orders, other.add_audience("orders")).await.expect_err("of another key");
    assert_eq!(error.code(), "token_refused", "{error}");
}
