//! Tokens of services and users, accepted and refused over HTTP.

use countersign::prelude::*;

use super::login::login;
use super::{server, verifier};
use crate::service;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_spring_authorization), ignore = "needs Spring Authorization Server: tests/peers/install")]
async fn a_service_calls_for_itself_and_users_have_their_roles() {
    let server = server().await;
    let orders = service::orders(verifier(&server)).await;

    let billing = server.billing_for_orders().await;
    assert_eq!(orders.get("/orders", &billing).await.status, 200);
    assert_eq!(orders.get("/invoices", &billing).await.status, 200, "the client's own token");
    assert_eq!(orders.get("/me", &billing).await.body, "billing");
    let create = orders.request("POST /orders", &[&format!("Authorization: Bearer {billing}")]).await;
    assert_eq!((create.status, create.code()), (403, "forbidden".into()), "a service is no manager");

    let ann = login(&server, "openid orders:read").await;
    let ann = ann["access_token"].as_str().expect("a token");
    assert_eq!(orders.get("/orders", ann).await.status, 200);
    assert_eq!(orders.request("POST /orders", &[&format!("Authorization: Bearer {ann}")]).await.status, 200);
    assert_eq!(orders.get("/invoices", ann).await.status, 403, "a user is no service");
    assert_eq!(orders.get("/me", ann).await.body, "ann");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_spring_authorization), ignore = "needs Spring Authorization Server: tests/peers/install")]
async fn tokens_for_others_of_others_and_of_other_kinds_are_refused_with_their_code() {
    let server = server().await;
    let code = async |verifier: &Verifier, token: &str| verifier.verify(token).await.expect_err("refused").code();
    let orders = verifier(&server);
    assert_eq!(code(&orders, &server.billing(&[]).await).await, "wrong_audience", "for the client itself");
    let for_billing = server.billing(&[("scope", "billing:read")]).await;
    assert_eq!(code(&orders, &for_billing).await, "wrong_audience");

    let keys = format!("{}/oauth2/jwks", server.issuer());
    let renamed = Verifier::new(jwks("https://id.example.com", keys).audience("orders")).expect("a verifier");
    assert_eq!(code(&renamed, &server.billing_for_orders().await).await, "unknown_issuer");

    let ann = login(&server, "openid orders:read").await;
    let token = |name: &str| ann[name].as_str().expect("a token").to_owned();
    orders.verify(&token("access_token")).await.expect("the access token");
    let user_info = format!("{}/userinfo", server.issuer());
    let answer = reqwest::Client::new().get(user_info).bearer_auth(token("access_token")).send().await;
    assert_eq!(answer.expect("an answer").status(), 401, "as the guide says");
    let policy = super::guide().file("policy.toml").replace("audience = \"orders\"", "audience = \"web\"");
    let web = service::verifier(&policy, super::GUIDE_ISSUER, server.issuer());
    assert_eq!(code(&web, &token("id_token")).await, "wrong_type", "though it names the client");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_spring_authorization), ignore = "needs Spring Authorization Server: tests/peers/install")]
async fn a_token_is_refused_after_its_end() {
    let server = server().await;
    let token = server.billing_for_orders().await;
    let issuer = oidc(server.issuer()).audience("orders");
    service::assert_expires(issuer, &token, std::time::Duration::from_secs(331)).await; // five minutes and the leeway
}
