//! Nonces, challenges and settings of a layer that takes proofs.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use countersign::clock::{Clock, UnixTime};
use countersign::key::Algorithm;
use countersign::prelude::*;
use countersign::proof::{Dpop, Nonces};
use countersign::secret::Secret;
use countersign_test::TestIssuer;
use countersign_tests::http::Service;
use serde_json::json;

use super::{API, World, assert_bad_proof, assert_bad_token, assert_ok, bound, challenges, hash};
use crate::app::{builder, good, who};

#[tokio::test]
async fn s6_15_a_proof_is_for_one_token() {
    assert_eq!(
        hash("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"),
        "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo",
        "the example of RFC 9449"
    );
    let world = World::new().await;
    let own = hash(&world.token);
    for ath in
        [json!(null), json!(format!("{own}=")), json!(hash("other")), json!(""), json!(own.to_lowercase()), json!(1)]
    {
        assert_bad_proof(&world.with_claims(json!({ "ath": ath })).await);
    }
    let second = bound(&world.issuer, &world.key);
    assert_ok(&world.send("GET /r", &second, &[&world.proof(json!({ "ath": hash(&second) }))]).await);
    assert_bad_proof(&world.send("GET /r", &second, &[&world.proof(json!({}))]).await);
}

#[tokio::test]
async fn s6_17_a_nonce_of_this_service_is_demanded_and_told() {
    let nonces = Nonces::from_secret(&Secret::new(vec![7; 32])).expect("a secret");
    let world = World::with(Dpop::at(API).nonces(nonces.clone())).await;
    let forged = Nonces::generate().expect("random").current(world.issuer.clock().now());
    for nonce in [json!(null), json!(""), json!("made-up"), json!(forged)] {
        let answer = world.with_claims(json!({ "nonce": nonce })).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "use_dpop_nonce"), "{answer:?}");
        assert!(answer.challenge().starts_with("DPoP realm=\"api\", error=\"use_dpop_nonce\""), "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let told = answer.header("dpop-nonce").expect("a nonce").to_owned();
        let repeated = world.with_claims(json!({ "nonce": told })).await;
        assert_ok(&repeated);
        assert_eq!(repeated.header("dpop-nonce"), None, "it is the current one");
    }
    let first = nonces.current(world.issuer.clock().now());
    world.issuer.clock().advance(Duration::from_secs(120));
    let answer = world.with_claims(json!({ "nonce": first })).await;
    assert_ok(&answer);
    let next = answer.header("dpop-nonce").expect("the next nonce").to_owned();
    assert!(next != first && answer.header("cache-control") == Some("no-store"));
    assert_ok(&world.with_claims(json!({ "nonce": next })).await);
    world.issuer.clock().advance(Duration::from_secs(120));
    assert_eq!(world.with_claims(json!({ "nonce": first })).await.code(), "use_dpop_nonce");
    // A page of another origin may read it, on success too.
    let late = nonces.current(UnixTime::from_secs(world.now() - 120));
    let proof = world.proof(json!({ "nonce": late }));
    let headers = [format!("Authorization: DPoP {}", world.token), format!("DPoP: {proof}")];
    let answer = world.service.request("GET /r", &[&headers[0], &headers[1], "Origin: https://app.test"]).await;
    assert_eq!((answer.status, answer.header("access-control-expose-headers")), (200, Some("dpop-nonce")));
    let headers = [format!("Authorization: DPoP {}", world.token), format!("DPoP: {}", world.proof(json!({})))];
    let answer = world.service.request("GET /r", &[&headers[0], &headers[1], "Origin: https://app.test"]).await;
    assert!(answer.header("access-control-expose-headers").is_some_and(|names| names.contains("dpop-nonce")));
}

#[tokio::test]
async fn s6_19_a_cached_token_still_needs_its_proof() {
    let world = World::new().await;
    assert_ok(&world.with_claims(json!({})).await);
    assert_bad_proof(&world.send("GET /r", &world.token, &[]).await);
    assert_bad_token(&world.service.get("/r", &world.token).await, "Bearer");
    assert_bad_proof(&world.with_claims(json!({ "htm": "POST" })).await);
    assert_ok(&world.with_claims(json!({})).await);
}

#[tokio::test]
async fn s5_13_s6_25_challenges_name_what_helps() {
    let world = World::new().await;
    let none = world.service.request("GET /r", &[]).await;
    assert_eq!(none.status, 401);
    let both = challenges(&none);
    assert_eq!(both[0], "Bearer realm=\"api\"");
    assert!(
        both.len() == 2 && both[1].starts_with("DPoP realm=\"api\", algs=\"") && both[1].contains("ES256"),
        "{both:?}"
    );

    let bearer = good(&world.issuer).sign();
    let answer = world.service.get("/bound", &bearer).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "bound_token_required"), "{answer:?}");
    let only = challenges(&answer);
    assert!(only.len() == 1 && only[0].starts_with("DPoP realm=\"api\", error=\"invalid_token\""), "{only:?}");
    assert!(only[0].contains("algs=\""), "{only:?}");
    let proof = world.proof(json!({ "htu": "https://api.test/bound" }));
    assert_ok(&world.send("GET /bound", &world.token, &[&proof]).await);

    let proof = world.proof(json!({ "htu": "https://api.test/scoped" }));
    let answer = world.send("GET /scoped", &world.token, &[&proof]).await;
    assert_eq!(answer.status, 403);
    assert!(answer.challenge().starts_with("DPoP realm=\"api\", error=\"insufficient_scope\""), "{answer:?}");
    assert_eq!(challenges(&answer).len(), 1);
    let answer = world.service.get("/scoped", &bearer).await;
    assert!(answer.challenge().starts_with("Bearer realm=\"api\", error=\"insufficient_scope\""), "{answer:?}");
}

#[tokio::test]
async fn s6_24_s6_26_a_confirmation_that_cannot_be_checked_is_refused_under_both_schemes() {
    let world = World::new().await;
    let jkt = world.key.thumbprint();
    for cnf in [
        json!({}),
        json!({ "kid": "x" }),
        json!({ "jku": "https://evil.test" }),
        json!(null),
        json!("x"),
        json!({ "jkt": "short" }),
        json!({ "jkt": format!("{jkt}=") }),
        json!({ "jkt": [jkt] }),
        json!({ "jkt": jkt, "x5t#S256": 1 }),
        json!({ "jkt": jkt, "x5t#S256": jkt }),
    ] {
        let token = good(&world.issuer).claim("cnf", cnf.clone()).sign();
        assert_bad_token(&world.service.get("/r", &token).await, "Bearer");
        let proof = world.proof(json!({ "ath": hash(&token) }));
        assert_bad_token(&world.send("GET /r", &token, &[&proof]).await, "DPoP");
    }
    let token = good(&world.issuer).claim("cnf", json!({ "jkt": jkt, "kid": "x" })).sign();
    assert_ok(&world.send("GET /r", &token, &[&world.proof(json!({ "ath": hash(&token) }))]).await);
}

#[tokio::test]
async fn s6_26_an_issuer_whose_tokens_must_be_bound() {
    let issuer = TestIssuer::new();
    let trusted = issuer.trusted_for("api").proof_of_possession_required();
    let verifier =
        Verifier::builder().clock(Arc::new(issuer.clock().clone())).trust(trusted).build().expect("a policy");
    let layer = AuthenticateLayer::builder(verifier).dpop(Dpop::at(API)).build().expect("a layer");
    let service = Service::start(Router::new().route("/r", get(who)).layer(layer)).await;
    let answer = service.get("/r", &good(&issuer).sign()).await;
    assert_bad_token(&answer, "DPoP");
    assert_eq!(challenges(&answer).len(), 1, "another bearer token would not help");

    let trusted = issuer.trusted_for("api").proof_of_possession_required();
    let verifier =
        Verifier::builder().clock(Arc::new(issuer.clock().clone())).trust(trusted).build().expect("a policy");
    let error = AuthenticateLayer::builder(verifier).build().expect_err("nobody could be accepted");
    assert_eq!(error.faults()[0].field, "proof_of_possession_required");
}

#[tokio::test]
async fn s5_02_s5_09_a_proof_excuses_no_malformed_credential() {
    let world = World::new().await;
    let proof = world.proof(json!({}));
    for token in ["", "a b", "a,b", &format!("{}, Bearer {}", world.token, world.token)] {
        assert_eq!(world.send("GET /r", token, &[&proof]).await.status, 400, "{token}");
    }
    let authorization = format!("Authorization: DPoP {}", world.token);
    let dpop = format!("DPoP: {proof}");
    assert_eq!(world.service.request("GET /r", &[&authorization, &authorization, &dpop]).await.status, 400);
    let in_query = world.send(&format!("GET /r?access_token={}", world.token), &world.token, &[&proof]).await;
    assert_eq!(in_query.status, 400);
    assert_ok(&world.get(&proof).await);
}

#[test]
fn s6_09_settings_that_prove_nothing_are_refused() {
    let issuer = TestIssuer::new();
    let fields = |dpop: Dpop| {
        let error = builder(&issuer).dpop(dpop).build().expect_err("a fault");
        error.faults().iter().map(|fault| fault.field.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(fields(Dpop::at("api.test")), ["external_url"]);
    assert_eq!(fields(Dpop::at(API).and_at("https://api.test?x")), ["external_url"]);
    assert_eq!(fields(Dpop::at(API).algorithms([Algorithm::HS256])), ["algorithms"]);
    assert_eq!(fields(Dpop::at(API).algorithms([Algorithm::HS256, Algorithm::ES256])), ["algorithms"]);
    assert_eq!(fields(Dpop::at(API).algorithms([])), ["algorithms"]);
    assert_eq!(fields(Dpop::at(API).timeout(Duration::ZERO)), ["timeout"]);
    assert_eq!(fields(Dpop::at(API).max_age(Duration::from_secs(301))), ["max_age"]);
    assert!(Nonces::from_secret(&Secret::new(vec![1; 31])).is_err());
}
