//! Tokens of services and users, accepted and refused over HTTP.

use countersign::prelude::*;

use super::login::login;
use super::{POLICY, verifier, zitadel};
use crate::service;

/// The users of the library's example: `id1` is a manager.
const USERS: [&str; 2] = ["test-user@127.0.0.1", "test-user2"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_zitadel), ignore = "needs Zitadel's library: tests/peers/install")]
async fn a_service_calls_for_itself_and_users_have_their_roles() {
    let server = zitadel().await;
    let orders = service::orders(verifier(&server)).await;

    let billing = server.billing_for_orders().await;
    assert_eq!(orders.get("/orders", &billing).await.status, 200);
    assert_eq!(orders.get("/invoices", &billing).await.status, 200, "the client's own token");
    assert_eq!(orders.get("/me", &billing).await.body, "billing");
    let create = orders.request("POST /orders", &[&format!("Authorization: Bearer {billing}")]).await;
    assert_eq!((create.status, create.code()), (403, "forbidden".into()), "a service is no manager");

    let ann = login(&server, USERS[0], "openid orders:read").await;
    let ann = ann["access_token"].as_str().expect("a token");
    assert_eq!(orders.request("POST /orders", &[&format!("Authorization: Bearer {ann}")]).await.status, 200);
    assert_eq!(orders.get("/invoices", ann).await.status, 403, "a user is no service");
    assert_eq!(orders.get("/me", ann).await.body, "id1");
    let clerk = login(&server, USERS[1], "openid orders:read").await;
    let clerk = format!("Authorization: Bearer {}", clerk["access_token"].as_str().expect("a token"));
    assert_eq!(orders.request("POST /orders", &[&clerk]).await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_zitadel), ignore = "needs Zitadel's library: tests/peers/install")]
async fn tokens_for_others_of_others_and_of_other_kinds_are_refused_with_their_code() {
    let server = zitadel().await;
    let code = async |verifier: &Verifier, token: &str| verifier.verify(token).await.expect_err("refused").code();
    let orders = verifier(&server);
    assert_eq!(code(&orders, &server.billing(&[]).await).await, "wrong_audience", "for the client itself");

    let keys = format!("{}/keys", server.issuer());
    let renamed = Verifier::new(jwks("https://id.example.com", keys).audience("orders")).expect("a verifier");
    assert_eq!(code(&renamed, &server.billing_for_orders().await).await, "unknown_issuer", "its name is its address");

    let ann = login(&server, USERS[0], "openid orders:read").await;
    let token = |name: &str| ann[name].as_str().expect("a token").to_owned();
    orders.verify(&token("access_token")).await.expect("the access token");
    for audience in ["orders", "web"] {
        let policy = POLICY.replace("audience = \"orders\"", &format!("audience = \"{audience}\""));
        let verifier = service::verifier(&policy, "https://id.example.com", server.issuer());
        assert_eq!(code(&verifier, &token("id_token")).await, "id_token", "though it is for {audience} too");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_zitadel), ignore = "needs Zitadel's library: tests/peers/install")]
async fn a_token_is_refused_after_its_end() {
    let server = zitadel().await;
    let token = server.billing_for_orders().await;
    let issuer = oidc(server.issuer()).audience("orders");
    service::assert_expires(issuer, &token, std::time::Duration::from_secs(331)).await; // five minutes and the leeway
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_zitadel), ignore = "needs Zitadel's library: tests/peers/install")]
async fn s3_30_an_id_token_that_zitadels_library_gives_for_an_access_token_is_refused() {
    let server = zitadel().await;
    let ann = login(&server, USERS[0], "openid orders:read").await;
    let kind = |name: &str| format!("urn:ietf:params:oauth:token-type:{name}");
    let exchange = async |requested: &str| {
        let (subject, requested) = (kind("access_token"), kind(requested));
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", ann["access_token"].as_str().expect("a token")),
            ("subject_token_type", &subject),
            ("requested_token_type", &requested),
            ("audience", "orders"),
            ("scope", "openid orders:read"),
        ];
        let answer = server.grant("web", &fields).await;
        assert_eq!(answer["issued_token_type"], requested.as_str(), "{answer}");
        answer["access_token"].as_str().expect("a token").to_owned()
    };
    let orders = verifier(&server);
    let error = orders.verify(&exchange("id_token").await).await.expect_err("an ID token");
    assert_eq!(error.code(), "missing_claim", "{error}: only `jti` tells");
    let token = orders.verify(&exchange("access_token").await).await.expect("an access token");
    assert_eq!((token.subject(), token.client_id()), ("id1", Some("web")));
}
