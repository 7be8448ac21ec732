//! Where a key arrives.

use axum::Router;
use axum::routing::get;
use countersign::authenticate::HeaderToken;
use countersign::prelude::*;
use countersign_apikey::{ApiKeys, MemoryKeyStore};
use countersign_test::TestIssuer;
use countersign_tests::http::Service;

use crate::shop::{app, builder, created, in_memory, layer, service, verifier};

fn in_header() -> ApiKeys {
    builder(MemoryKeyStore::new()).header("x-api-key").build().expect("keys")
}

#[tokio::test]
async fn s13_11_a_key_and_a_token_together_are_400() {
    let issuer = TestIssuer::new();
    let keys = in_header();
    let service = service(&keys, &issuer).await;
    let key = created(&keys).await;
    let key = format!("X-Api-Key: {}", key.text().expose());
    let token = issuer.token().audience("orders").scope("orders:read").sign();
    let token = format!("Authorization: Bearer {token}");
    assert_eq!(service.request("GET /orders", &[&key]).await.status, 200);
    assert_eq!(service.request("GET /orders", &[&token]).await.status, 200, "tokens are taken beside keys");
    for both in [[&*key, &*token], [&key, &key], [&key, "Authorization: Basic YTpi"]] {
        let answer = service.request("GET /orders", &both).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_request"), "{both:?}");
    }
    assert_eq!(service.request("GET /orders?access_token=x", &[&key]).await.status, 400, "S5.10");
    assert_eq!(service.request("GET /orders", &["X-Api-Key: "]).await.code(), "no_token");
    let token_in_its_place = token.replace("Authorization: Bearer", "X-Api-Key:");
    assert_eq!(service.request("GET /orders", &[&token_in_its_place]).await.status, 401);
}

#[tokio::test]
async fn s13_11_a_key_arrives_in_one_place_only_as_the_policy_says() {
    let issuer = TestIssuer::new();
    let (by_header, as_bearer) = (in_header(), in_memory());
    for (keys, header) in [(&by_header, true), (&as_bearer, false)] {
        let service = service(keys, &issuer).await;
        let key = created(keys).await;
        let places =
            [format!("X-Api-Key: {}", key.text().expose()), format!("Authorization: Bearer {}", key.text().expose())];
        let statuses =
            [service.request("GET /orders", &[&places[0]]).await, service.request("GET /orders", &[&places[1]]).await];
        let statuses = statuses.map(|answer| answer.status);
        assert_eq!(statuses, if header { [200, 401] } else { [401, 200] });
        assert!(!service.request("GET /orders", &[&places[1]]).await.body.contains(key.text().expose()));
    }
}

#[tokio::test]
async fn s13_11_a_header_that_has_a_meaning_is_no_header_of_keys() {
    let issuer = TestIssuer::new();
    for name in ["authorization", "cookie", "host", "x-token"] {
        let keys = builder(MemoryKeyStore::new()).header(name).build().expect("keys");
        let layer = AuthenticateLayer::builder(verifier(&keys, &issuer)).header(HeaderToken::new("x-token"));
        let error = layer.api_keys(keys).build().expect_err("not usable").to_string();
        assert!(error.contains("api_keys: the header of API keys has a meaning of its own"), "{error}");
    }
    let error = builder(MemoryKeyStore::new()).header("x api key").build().expect_err("not usable").to_string();
    assert!(error.contains("header: not the name of a header"), "{error}");
}

#[tokio::test]
async fn s10_01_no_service_behind_the_layer_shows_the_key() {
    let issuer = TestIssuer::new();
    let keys = in_header();
    let shown = async |headers: axum::http::HeaderMap| format!("{headers:?}");
    let router = Router::new().route("/", get(shown)).layer(layer(&keys, &issuer));
    let service = Service::start(router).await;
    let key = created(&keys).await;
    let answer = service.request("GET /", &[&format!("X-Api-Key: {}", key.text().expose())]).await;
    assert!(answer.body.contains("Sensitive") && !answer.body.contains(key.text().expose()), "{answer:?}");
}

#[tokio::test]
async fn s13_11_a_second_source_of_keys_is_a_fault() {
    let issuer = TestIssuer::new();
    let [first, second] = [in_header(), in_memory()];
    let new = || AuthenticateLayer::builder(verifier(&first, &issuer));
    let twice = new().api_keys(first.clone()).api_keys(second).build().expect_err("one source").to_string();
    assert!(twice.contains("api_keys: set twice"), "{twice}");
    let same = new().api_keys(first.clone()).api_keys(first.clone()).build().expect_err("one source").to_string();
    assert!(same.contains("api_keys: set twice"), "{same}");
    new().api_keys(first.clone()).build().expect("once");
}

#[tokio::test]
async fn a_verifier_without_the_authority_is_a_fault() {
    let issuer = TestIssuer::new();
    let error = AuthenticateLayer::builder(issuer.verifier_for("orders")).api_keys(in_memory()).build();
    let error = error.expect_err("not trusted").to_string();
    assert!(error.contains("the verifier does not trust https://shop.test/api-keys"), "{error}");
    let _ = app(&in_memory(), &issuer);
}
