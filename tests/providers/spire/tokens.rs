//! JWT-SVIDs of workloads, accepted and refused over HTTP.

use std::sync::Arc;

use countersign::app::{Access, Routes, protect};
use countersign::authz::{client, issued_by};
use countersign::issuers::Preset;
use countersign::keys::FileKeys;
use countersign::prelude::*;
use countersign_tests::http::Service;

use super::{partner, shop, verifier};
use crate::service;

/// The service of the guide, with a path that states the caller.
pub async fn orders(verifier: Verifier) -> Service {
    let billing = client("spiffe://shop.example/billing").and(issued_by("spiffe://shop.example"));
    let routes = Routes::new().get("/orders", billing, || async { "orders" }).get(
        "/me",
        Access::Authenticated,
        |claims: Claims| async move { claims.subject().to_owned() },
    );
    Service::start(protect(routes, verifier).into()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_spire), ignore = "needs SPIRE: tests/peers/install all")]
async fn s3_31_a_workload_is_known_by_its_spiffe_id_and_its_trust_domain() {
    let (shop, partner) = (shop().await, partner().await);
    let only_shop = orders(verifier("policy.toml", shop, None)).await;
    let both = orders(verifier("policy-federation.toml", shop, Some(partner))).await;

    let billing = shop.token("orders", "billing");
    let reports = shop.token("orders", "reports");
    for service in [&only_shop, &both] {
        assert_eq!(service.get("/orders", &billing).await.status, 200);
        assert_eq!(service.get("/me", &billing).await.body, "spiffe://shop.example/billing");
        let refused = service.get("/orders", &reports).await;
        assert_eq!((refused.status, refused.code()), (403, "forbidden".into()), "another workload");
        assert_eq!(service.get("/me", &reports).await.status, 200);
    }

    let theirs = partner.token("orders", "billing");
    assert_eq!(both.get("/me", &theirs).await.body, "spiffe://partner.example/billing");
    assert_eq!(both.get("/orders", &theirs).await.status, 403, "the workload of the same name in another trust domain");
    assert_eq!(only_shop.get("/me", &theirs).await.status, 401, "another trust domain");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_spire), ignore = "needs SPIRE: tests/peers/install all")]
async fn tokens_of_spire_for_others_and_of_others_are_refused_with_their_code() {
    let (shop, partner) = (shop().await, partner().await);
    let only_shop = verifier("policy.toml", shop, None);
    let only_partner = verifier("policy-discovery.toml", shop, Some(partner));
    let code = async |verifier: &Verifier, token: &str| verifier.verify(token).await.expect_err("refused").code();

    assert_eq!(code(&only_shop, &shop.token("invoices", "billing")).await, "wrong_audience");
    assert_eq!(code(&only_partner, &partner.token("invoices", "billing")).await, "wrong_audience");
    assert_eq!(code(&only_shop, &partner.token("orders", "billing")).await, "unknown_issuer", "another trust domain");
    assert_eq!(code(&only_partner, &shop.token("orders", "billing")).await, "unknown_issuer", "another trust domain");

    // The same discovery provider, trusted for the workloads of another trust domain.
    let policy = super::placed(super::guide().file("policy-discovery.toml"), shop, Some(partner));
    let policy = policy.replace("\"partner.example\"", "\"shop.example\"");
    let policy = countersign::policy::Policy::from_toml(&policy).expect("a policy");
    let mistaken = Verifier::builder().policy(&policy, countersign::keys::from_config).build().expect("a verifier");
    assert_eq!(code(&mistaken, &partner.token("orders", "billing")).await, "subject_not_allowed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_spire), ignore = "needs SPIRE: tests/peers/install all")]
async fn a_jwt_svid_is_refused_after_its_end() {
    let shop = shop().await;
    let keys = Arc::new(FileKeys::from_spiffe_bundle(shop.folder().join("bundle.json")));
    let issuer = Preset::SPIFFE.issuer("spiffe://shop.example").keys(keys).audience("orders");
    service::assert_expires(issuer, &shop.token("orders", "billing"), std::time::Duration::from_secs(1200)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_spire), ignore = "needs SPIRE: tests/peers/install all")]
async fn the_workload_api_gives_a_plain_key_set() {
    let shop = shop().await;
    let path = shop.folder().join("jwt_bundle.json");
    std::fs::write(&path, shop.workload_bundle()).expect("written");
    let verifier = |keys| {
        let issuer = Preset::SPIFFE.issuer("spiffe://shop.example").keys(Arc::new(keys)).audience("orders");
        Verifier::new(issuer).expect("a verifier")
    };
    let token = shop.token("orders", "billing");
    verifier(FileKeys::new(&path)).verify(&token).await.expect("a key set");
    let error = verifier(FileKeys::from_spiffe_bundle(&path)).verify(&token).await.expect_err("no trust bundle");
    assert!(error.is_unavailable(), "{error:?}");
}
