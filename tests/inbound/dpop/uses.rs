//! Used proofs, and stores of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use countersign::authz::any_authenticated;
use countersign::clock::{Clock, UnixTime};
use countersign::prelude::*;
use countersign::proof::{Dpop, MemoryReplays, ProofUse, ReplayOutcome, ReplayQuery, ReplayStore};
use countersign_test::{TestIssuer, TestKey};
use countersign_tests::http::Service;
use countersign_tests::proofs::{with_claims, with_header};
use serde_json::json;

use super::{API, R, World, assert_bad_proof, assert_ok, bound, challenges, hash};
use crate::app::{builder, good, who};

#[tokio::test]
async fn s6_11_s6_12_s6_13_a_proof_counts_once() {
    let world = World::new().await;
    let proof = world.proof(json!({ "jti": "one" }));
    assert_ok(&world.get(&proof).await);
    assert_bad_proof(&world.get(&proof).await);
    // The same name in another spelling of the address, and at another time.
    assert_bad_proof(&world.with_claims(json!({ "jti": "one", "htu": "https://API.test/r" })).await);
    assert_bad_proof(&world.with_claims(json!({ "jti": "one", "iat": world.now() })).await);
    for jti in [json!(7), json!(""), json!("x".repeat(257)), json!(null)] {
        assert_bad_proof(&world.with_claims(json!({ "jti": jti })).await);
    }
    assert_ok(&world.with_claims(json!({ "jti": "x".repeat(256) })).await);
    // What is refused leaves no trace.
    assert_bad_proof(&world.with_claims(json!({ "jti": "two", "ath": hash("other") })).await);
    assert_bad_proof(&world.with_claims(json!({ "jti": "two", "htm": "POST" })).await);
    assert_ok(&world.with_claims(json!({ "jti": "two" })).await);

    let proof = world.proof(json!({ "jti": "at once" }));
    let (one, other) = tokio::join!(world.get(&proof), world.get(&proof));
    assert_eq!(one.status + other.status, 601, "exactly one: {one:?} {other:?}");

    // Another client may use the same name.
    let other = world.other_key();
    let token = bound(&world.issuer, &other);
    assert_ok(&world.send("GET /r", &token, &[&other.proof("GET", R, &token).id("one").sign()]).await);
}

#[tokio::test]
async fn s6_12_a_used_proof_is_remembered_as_long_as_it_would_be_accepted() {
    let world = World::new().await;
    let proof = world.proof(json!({ "iat": world.now() + 10 }));
    assert_ok(&world.get(&proof).await);
    world.issuer.clock().advance(Duration::from_secs(65));
    assert_bad_proof(&world.get(&proof).await);
    // Whatever the wall clock does.
    let start = world.issuer.clock().now();
    world.issuer.clock().advance(Duration::from_secs(3600));
    assert_ok(&world.with_claims(json!({})).await);
    world.issuer.clock().step_wall(UnixTime::from_secs(start.as_secs() - 60));
    // Still recorded in its part of the store, or forgotten while the clock is behind what the store has seen.
    let code = world.get(&proof).await.code();
    assert!(["invalid_dpop_proof", "proof_unavailable"].contains(&code.as_str()), "{code}");
}

#[tokio::test]
async fn s6_12_a_proof_from_before_the_start_of_the_service_may_have_been_used() {
    let world = World::new().await;
    assert_bad_proof(&world.with_claims(json!({ "iat": world.now() - 1 })).await);
    assert_ok(&world.with_claims(json!({})).await);
}

/// A store that says always the same, and counts.
#[derive(Debug)]
struct Fixed(ReplayOutcome, AtomicUsize);

impl ReplayStore for Fixed {
    fn insert(&self, proof: &ProofUse<'_>) -> ReplayQuery {
        assert!(proof.name().ends_with(proof.id()) && proof.ends_at() > proof.issued_at());
        let (outcome, calls) = (self.0, self.1.fetch_add(1, Ordering::SeqCst));
        match calls % 2 {
            0 => ReplayQuery::Known(outcome),
            _ => ReplayQuery::Pending(Box::pin(async move {
                tokio::task::yield_now().await;
                outcome
            })),
        }
    }
}

#[derive(Debug)]
struct Silent;

impl ReplayStore for Silent {
    fn insert(&self, _: &ProofUse<'_>) -> ReplayQuery {
        ReplayQuery::Pending(Box::pin(std::future::pending()))
    }
}

#[tokio::test]
async fn s6_14_a_store_that_does_not_know_answers_503_and_never_lets_in() {
    for (outcome, status) in [
        (ReplayOutcome::New, 200),
        (ReplayOutcome::Used, 401),
        (ReplayOutcome::Forgotten, 401),
        (ReplayOutcome::Unknown, 503),
    ] {
        let store = Arc::new(Fixed(outcome, AtomicUsize::new(0)));
        let world = World::with(Dpop::at(API).replay_store(Arc::clone(&store))).await;
        for _ in 0..2 {
            let answer = world.with_claims(json!({})).await;
            assert_eq!(answer.status, status, "{outcome:?}: {answer:?}");
            if status == 503 {
                assert_eq!((answer.code().as_str(), challenges(&answer).len()), ("proof_unavailable", 0), "{answer:?}");
                assert_eq!(answer.header("retry-after"), Some("1"));
            }
        }
        assert_eq!(store.1.load(Ordering::SeqCst), 2);
    }
    let silent = Dpop::at(API).replay_store(Arc::new(Silent)).timeout(Duration::from_millis(20));
    assert_eq!(World::with(silent).await.with_claims(json!({})).await.status, 503);
}

#[tokio::test]
async fn s6_14_s11_11_one_client_fills_its_share_and_others_are_served() {
    let world = World::with(Dpop::at(API).replay_store(Arc::new(MemoryReplays::new().max_proofs(64 * 16)))).await;
    let send = async |key: &TestKey, subject: &str, client_id: &str| {
        let draft = good(&world.issuer).subject(subject).client_id(client_id);
        let token = draft.lifetime(Duration::from_secs(7200)).bound_to(key).sign();
        world.send("GET /r", &token, &[&key.proof("GET", R, &token).sign()]).await
    };
    // One key, one client, and as many users as it likes.
    let (mut refused, mut accepted) = (0, 0);
    for number in 0..1_000 {
        let answer = send(&world.key, &format!("user {}", number % 40), "busy").await;
        match answer.status {
            200 => accepted += 1,
            _ => {
                assert_eq!((answer.status, answer.code().as_str()), (503, "proof_unavailable"));
                refused += 1;
            }
        }
    }
    assert!(accepted <= 64 * 8 && refused > 400, "half of the issuer's part: {accepted}, {refused}");
    let other = world.other_key();
    for number in 0..20 {
        let answer = send(&other, "user 1", &format!("client {number}")).await;
        assert_eq!(answer.status, 200, "another client of the same user, {number}: {answer:?}");
    }
    // The share is free again once its proofs are too old.
    world.issuer.clock().advance(Duration::from_secs(80));
    assert_eq!(send(&world.key, "user 1", "busy").await.status, 200);
}

/// What costs most comes last: an RSA key is prepared only for a token that is bound to it.
#[tokio::test]
async fn s6_27_a_key_is_prepared_only_for_a_token_that_is_bound_to_it() {
    let world = World::new().await;
    // A modulus of the right size that is none: preparing the key finds that it is weak.
    let modulus = base64_simd::URL_SAFE_NO_PAD.encode_to_string([0xff; 256]);
    let jwk = json!({ "kty": "RSA", "n": modulus, "e": "AQAB" });
    let header = json!({ "alg": "RS256", "jwk": jwk });
    for (changes, code) in [
        (json!({ "htm": "POST" }), "invalid_dpop_proof"),
        (json!({ "ath": hash("other") }), "invalid_dpop_proof"),
        (json!({}), "token_invalid"),
    ] {
        let proof = with_header(with_claims(world.draft(), &changes), &header).sign();
        assert_eq!(world.get(&proof).await.code(), code, "{changes}");
    }
    let larger = base64_simd::URL_SAFE_NO_PAD.encode_to_string([0xff; 513]);
    let header = json!({ "alg": "RS256", "jwk": { "kty": "RSA", "n": larger, "e": "AQAB" } });
    assert_bad_proof(&world.get(&world.proof_with_header(header)).await);
}

/// A request that passes a layer twice, or two layers, has used its proof once.
#[tokio::test]
async fn s6_11_a_request_uses_its_proof_once_however_many_layers_it_passes() {
    let issuer = TestIssuer::new();
    let key = TestKey::new(issuer.clock());
    let token = bound(&issuer, &key);
    let store = Arc::new(MemoryReplays::new());
    let shared = || Dpop::at(API).replay_store(Arc::clone(&store));
    let layer = |dpop| builder(&issuer).dpop(dpop).build().expect("a layer");
    let own = Dpop::at(API);
    let apps = [
        Router::new().route("/r", get(who)).layer(layer(shared())).layer(layer(shared())),
        // A, B, A
        Router::new().route("/r", get(who)).layer(layer(own.clone())).layer(layer(shared())).layer(layer(own)),
        countersign::app::protect(
            countersign::app::Routes::new().get("/r", any_authenticated(), who).get(
                "/hidden/{id}",
                scope("admin").hidden(),
                who,
            ),
            layer(shared()),
        )
        .into(),
    ];
    for app in apps {
        let service = Service::start(app).await;
        let proof = key.proof("GET", R, &token).sign();
        let (authorization, proof) = (format!("Authorization: DPoP {token}"), format!("DPoP: {proof}"));
        assert_ok(&service.request("GET /r", &[&authorization, &proof]).await);
        assert_bad_proof(&service.request("GET /r", &[&authorization, &proof]).await);
    }
}
