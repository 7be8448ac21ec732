//! Calls with Hydra's tokens.

use std::path::{Path, PathBuf};
use std::time::Instant;

use countersign::key::Algorithm;
use countersign::mint::Signer;
use countersign::outbound::{DpopKey, OutboundError};
use countersign::policy::Policy;
use countersign::prelude::*;
use countersign::secret::Secret;
use countersign_tests::http::Service;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use reqwest::Method;
use serde_json::json;

use super::{GUIDE_ISSUER, Hydra, guide, hydra, verifier};
use crate::service;

/// The binding in this file of the guide, to `orders`, with the secrets of the folder `secrets`.
fn binding(server: &Hydra, file: &str, orders: &Service, secrets: &Path) -> Outbound {
    let text = format!("{}\n{}", guide().file("policy.toml"), guide().file(file));
    let text = text.replace(GUIDE_ISSUER, server.issuer()).replace("https://orders.internal", &orders.url());
    let text = text.replace("/run/secrets", secrets.to_str().expect("text"));
    Outbound::from_config(&Policy::from_toml(&text).expect("a policy")).expect("bound")
}

/// A folder for secrets.
fn secrets(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// The status of a call of `orders`.
async fn status(orders: &Service, outbound: &Outbound) -> Result<u16, OutboundError> {
    Ok(outbound.send(outbound.client().get(format!("{}/orders", orders.url()))).await?.status().as_u16())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_hydra), ignore = "needs Ory Hydra: tests/peers/install")]
async fn s7_03_each_way_of_client_authentication_is_accepted_by_hydra() {
    let server = hydra().await;
    let orders = service::orders(verifier(&server)).await;
    let secrets = secrets("hydra-clients");
    std::fs::write(secrets.join("billing"), "replace-me-billing\n").expect("a file");
    let basic = binding(&server, "calls.toml", &orders, &secrets);
    assert_eq!(status(&orders, &basic).await.expect("basic"), 200);

    let shared = json!({ "grant_types": ["client_credentials"], "scope": "orders:read", "audience": ["orders"] });
    let client = |more: serde_json::Value| {
        let mut client = shared.clone();
        client.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        client
    };
    let posting = client(json!({
        "client_id": "posting", "client_secret": "replace-me-posting", "token_endpoint_auth_method": "client_secret_post",
    }));
    server.admin(Method::POST, "clients", &posting).await;
    let posting = ClientCredentials::from_issuer(server.issuer()).client("posting", Secret::from("replace-me-posting"));
    let posting = posting.client_secret_post().audience("orders").scope("orders:read");
    let post = Outbound::builder(reqwest::Client::new()).bind(orders.url(), posting).build().expect("bound");
    assert_eq!(status(&orders, &post).await.expect("post"), 200);

    let pem = Secret::from(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key").serialize_pem());
    std::fs::write(secrets.join("shipping.pem"), pem.expose()).expect("a file");
    let signer = Signer::from_pkcs8_pem(&pem, Algorithm::ES256).expect("a key");
    let shipping = client(json!({
        "client_id": "shipping", "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "ES256", "jwks": { "keys": [signer.public_jwk()] },
    }));
    server.admin(Method::POST, "clients", &shipping).await;
    let key = binding(&server, "calls-with-a-key.toml", &orders, &secrets);
    assert_eq!(status(&orders, &key).await.expect("private_key_jwt"), 200);

    std::fs::write(secrets.join("billing"), "wrong").expect("a file");
    let wrong = binding(&server, "calls.toml", &orders, &secrets);
    let error = status(&orders, &wrong).await.expect_err("refused");
    assert_eq!(error.code(), "token_refused", "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_hydra), ignore = "needs Ory Hydra: tests/peers/install")]
async fn a_secret_that_changes_at_hydra_while_calls_are_made_fails_none() {
    let server = hydra().await;
    let orders = service::orders(verifier(&server)).await;
    let client = json!({
        "client_id": "rotating", "client_secret": "first-secret", "grant_types": ["client_credentials"],
        "scope": "orders:read", "audience": ["orders"], "client_credentials_grant_access_token_lifespan": "6s",
    });
    server.admin(Method::POST, "clients", &client).await;
    let file = secrets("hydra-rotating").join("secret");
    std::fs::write(&file, "first-secret").expect("a file");
    let credentials = ClientCredentials::from_issuer(server.issuer())
        .client("rotating", Secret::from_file(&file))
        .audience("orders")
        .scope("orders:read");
    let outbound = Outbound::builder(reqwest::Client::new()).bind(orders.url(), credentials).build().expect("bound");
    let began = Instant::now();
    let (mut calls, mut is_changed) = (0, false);
    while began.elapsed().as_secs() < 12 {
        assert_eq!(status(&orders, &outbound).await.expect("a token"), 200, "after {calls} calls");
        calls += 1;
        if !is_changed && began.elapsed().as_secs() >= 2 {
            is_changed = true;
            let change = json!([{ "op": "replace", "path": "/client_secret", "value": "second-secret" }]);
            server.admin(Method::PATCH, "clients/rotating", &change).await;
            std::fs::write(&file, "second-secret").expect("a file");
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    println!("{calls} calls while the secret changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_hydra), ignore = "needs Ory Hydra: tests/peers/install")]
async fn s7_27_hydra_ignores_proofs_and_its_bearer_tokens_are_not_sent() {
    let server = hydra().await;
    let orders = service::orders(verifier(&server)).await;
    let source = || {
        ClientCredentials::from_issuer(server.issuer())
            .client("billing", Secret::from("replace-me-billing"))
            .audience("orders")
            .scope("orders:read")
            .dpop(DpopKey::generate().expect("a key"))
    };
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let bound = |source| {
        let builder = Outbound::builder(http.clone()).client_follows_no_redirects();
        builder.bind(orders.url(), source).build().expect("bound")
    };
    let error = status(&orders, &bound(source())).await.expect_err("not bound");
    assert_eq!(error.code(), "token_not_bound", "{error}");
    assert_eq!(status(&orders, &bound(source().accept_bearer_tokens())).await.expect("a token"), 200, "as Bearer");
}
