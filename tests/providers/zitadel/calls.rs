//! Calls with the tokens of the library's server.

use std::sync::Arc;

use countersign::authenticate::CallerToken;
use countersign::key::Algorithm;
use countersign::mint::Signer;
use countersign::outbound::{Assertion, OutboundError};
use countersign::prelude::*;
use countersign::secret::Secret;
use countersign_tests::http::Service;

use super::login::login;
use super::{Zitadel, verifier, zitadel};
use crate::service;

/// The name of the caller that `orders` sees with these credentials.
async fn me(orders: &Service, credentials: ClientCredentials) -> Result<String, OutboundError> {
    let credentials = credentials.scope("orders:read");
    let outbound = Outbound::builder(reqwest::Client::new()).bind(orders.url(), credentials).build().expect("bound");
    let answer = outbound.send(outbound.client().get(format!("{}/me", orders.url()))).await?;
    assert_eq!(answer.status(), 200);
    Ok(answer.text().await.expect("text"))
}

fn from(server: &Zitadel) -> ClientCredentials {
    ClientCredentials::from_issuer(server.issuer())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_zitadel), ignore = "needs Zitadel's library: tests/peers/install")]
async fn s7_03_a_secret_in_header_or_body_is_accepted_by_zitadels_library() {
    let server = zitadel().await;
    let orders = service::orders(verifier(&server)).await;
    let billing = |secret: &str| from(&server).client("billing", Secret::from(secret));
    assert_eq!(me(&orders, billing("replace-me-billing")).await.expect("basic"), "billing");
    assert_eq!(me(&orders, billing("replace-me-billing").client_secret_post()).await.expect("post"), "billing");
    for wrong in [billing("wrong"), billing("wrong").client_secret_post()] {
        assert_eq!(me(&orders, wrong).await.expect_err("refused").code(), "token_refused");
    }
    let keyed = from(&server).client_key("shipping", Arc::clone(&server.shipping));
    assert_eq!(me(&orders, keyed).await.expect_err("no private_key_jwt for this grant").code(), "token_refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_zitadel), ignore = "needs Zitadel's library: tests/peers/install")]
async fn s7_05_zitadels_library_takes_an_assertion_as_a_grant_for_the_service_that_it_names() {
    let server = zitadel().await;
    let orders = service::orders(verifier(&server)).await;
    let assertion = |subject: &str, signer: Arc<Signer>| {
        from(&server).jwt_bearer(Assertion::new("shipping", subject, signer).add_audience("orders"))
    };
    assert_eq!(me(&orders, assertion("shipping", Arc::clone(&server.shipping))).await.expect("a token"), "shipping");
    let error = me(&orders, assertion("ann", Arc::clone(&server.shipping))).await.expect_err("of another subject");
    assert_eq!(error.code(), "token_refused", "{error}");
    let other = Arc::new(Signer::generate(Algorithm::ES256).expect("a key"));
    let error = me(&orders, assertion("shipping", other)).await.expect_err("of another key");
    assert_eq!(error.code(), "token_refused", "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_zitadel), ignore = "needs Zitadel's library: tests/peers/install")]
async fn s7_23_zitadels_library_exchanges_the_token_of_a_caller() {
    let server = zitadel().await;
    let verifier = verifier(&server);
    let orders = service::orders(verifier.clone()).await;
    let ann = login(&server, "test-user@127.0.0.1", "openid orders:read").await;
    let token = ann["access_token"].as_str().expect("a token").to_owned();
    let expires_at = verifier.verify(&token).await.expect("a good token").expires_at();
    let caller = CallerToken::unverified(&Secret::from(token), expires_at);
    let exchange = async |secret: &str, caller: &CallerToken| {
        let tokens = from(&server).client("web", Secret::from(secret)).audience("orders").scope("openid orders:read");
        let outbound = Outbound::builder(reqwest::Client::new()).bind(orders.url(), tokens).build().expect("bound");
        let outbound = outbound.on_behalf_of(caller);
        let answer = outbound.send(outbound.client().get(format!("{}/me", orders.url()))).await?;
        assert_eq!(answer.status(), 200);
        Ok::<_, OutboundError>(answer.text().await.expect("text"))
    };
    assert_eq!(exchange("replace-me-web", &caller).await.expect("an exchange"), "id1", "the user stays");
    assert_eq!(exchange("wrong", &caller).await.expect_err("refused").oauth_error(), Some("invalid_client"));
    let invented = CallerToken::unverified(&Secret::from("e30.e30.AA"), expires_at);
    assert_eq!(exchange("replace-me-web", &invented).await.expect_err("no token of its own").code(), "token_refused");
}
