//! Tokens of services and users, accepted and refused over HTTP.

use countersign::issuers::Preset;

use super::{keycloak, verifier};
use crate::service;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_keycloak), ignore = "needs Keycloak: tests/peers/install")]
async fn a_service_calls_for_itself_and_users_have_their_roles() {
    let server = keycloak().await;
    let orders = service::orders(verifier(&server)).await;

    let billing = server.billing("orders:read").await;
    assert_eq!(orders.get("/orders", &billing).await.status, 200);
    assert_eq!(orders.get("/invoices", &billing).await.status, 200, "the client's own token");
    let create = orders.request("POST /orders", &[&format!("Authorization: Bearer {billing}")]).await;
    assert_eq!((create.status, create.code()), (403, "forbidden".into()), "a service is no manager");

    let ann = server.ann("openid orders:read").await;
    assert_eq!(orders.get("/orders", &ann).await.status, 200);
    assert_eq!(orders.request("POST /orders", &[&format!("Authorization: Bearer {ann}")]).await.status, 200);
    assert_eq!(orders.get("/invoices", &ann).await.status, 403, "a user is no service");
    let subject = server.get("shop/users?username=ann").await[0]["id"].clone();
    assert_eq!(orders.get("/me", &ann).await.body, subject.as_str().expect("an id"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_keycloak), ignore = "needs Keycloak: tests/peers/install")]
async fn tokens_for_others_of_others_and_of_other_kinds_are_refused_with_their_code() {
    let server = keycloak().await;
    let verifier = verifier(&server);
    let code = async |token: &str| verifier.verify(token).await.expect_err("refused").code();

    let secret = ("client_secret", "replace-me-billing");
    let billing = [("grant_type", "client_credentials"), ("client_id", "billing"), secret];
    assert_eq!(
        code(&server.token_of("shop", &billing).await).await,
        "wrong_audience",
        "without the scope, only `account`"
    );
    assert_eq!(code(&server.token_of("other", &billing).await).await, "unknown_issuer", "another realm");

    let url = format!("{}/protocol/openid-connect/token", server.issuer("shop"));
    let fields = [
        ("grant_type", "password"),
        ("username", "ann"),
        ("password", "ann"),
        ("client_id", "web"),
        ("scope", "openid orders:read"),
    ];
    let answer = reqwest::Client::new().post(url).form(&fields).send().await.expect("an answer");
    let answer: serde_json::Value = answer.json().await.expect("JSON");
    let token = |name: &str| answer[name].as_str().expect("a token").to_owned();
    verifier.verify(&token("access_token")).await.expect("the access token");
    for name in ["id_token", "refresh_token"] {
        assert!(verifier.verify(&token(name)).await.is_err(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_keycloak), ignore = "needs Keycloak: tests/peers/install")]
async fn a_token_is_refused_after_its_end() {
    let server = keycloak().await;
    let token = server.billing("orders:read").await;
    let issuer = Preset::KEYCLOAK.issuer(server.issuer("shop")).audience("orders");
    service::assert_expires(issuer, &token, std::time::Duration::from_secs(3600)).await;
}
