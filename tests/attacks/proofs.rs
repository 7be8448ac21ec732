//! Hostile requests with bound tokens, against a layer that takes proofs and one that does not: CONFORMANCE S6.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use countersign::clock::Clock;
use countersign::key::Algorithm;
use countersign::prelude::*;
use countersign::proof::{Dpop, ExternalUrl, Nonces};
use countersign::verify::Outcome;
use countersign_core::integration::{ExplainedRequest, explain_proof};
use countersign_core::proof::{ProofRequest, ProofRules};
use countersign_test::{Answer, HostileRequest, ProofAttack, TestIssuer, TestKey};
use tower::ServiceExt;

const URL: &str = "https://api.test/orders";

fn app(layer: AuthenticateLayer, reached: &Arc<AtomicUsize>) -> Router {
    let reached = Arc::clone(reached);
    let handler = move |claims: Claims| async move {
        reached.fetch_add(1, Ordering::SeqCst);
        claims.subject().to_owned()
    };
    Router::new().route("/orders", get(handler)).layer(layer)
}

async fn send(app: &Router, hostile: &HostileRequest) -> Answer {
    let request = hostile.on(Request::get("/orders")).body(Body::empty()).expect("a request");
    Answer::from_response(app.clone().oneshot(request).await.expect("an answer")).await
}

/// The checks that fail for a hostile proof, by what tools say.
fn failed(hostile: &HostileRequest, issuer: &TestIssuer) -> Vec<&'static str> {
    let urls = [ExternalUrl::new("https://api.test").expect("an address")];
    let request = ProofRequest { method: "GET", external_urls: &urls, path: "/orders" };
    let token = hostile.authorization().split(' ').nth(1);
    let request = ExplainedRequest { request, token, nonce: None, now: issuer.clock().now() };
    let (report, _) = explain_proof(&hostile.proofs()[0], &ProofRules::default(), &request);
    let failed = report.checks.iter().filter(|check| matches!(check.outcome, Outcome::Failed { .. }));
    failed.map(|check| check.name).collect()
}

/// S6.01 to S6.08, S6.10, S6.11, S6.15, S6.16 and S6.26.
#[tokio::test]
async fn s6_01_s6_16_every_hostile_request_is_refused_by_its_code_and_reaches_no_handler() {
    for algorithm in [Algorithm::ES256, Algorithm::Ed25519, Algorithm::RS256] {
        let issuer = TestIssuer::new();
        let reached = Arc::new(AtomicUsize::new(0));
        let layer = AuthenticateLayer::builder(issuer.verifier_for("orders")).dpop(Dpop::at("https://api.test"));
        let app = app(layer.build().expect("a layer"), &reached);
        issuer.clock().advance(std::time::Duration::from_secs(7200)); // so that an old proof is one from after the start
        let key = TestKey::with_algorithm(algorithm, issuer.clock());
        let honest = issuer.token().subject("ann").audience("orders");
        let token = honest.clone().bound_to(&key).sign();
        let good = async || {
            let request = key.proof("GET", URL, &token).on(Request::get("/orders")).body(Body::empty()).expect("one");
            Answer::from_response(app.clone().oneshot(request).await.expect("an answer")).await
        };
        good().await.assert_success();
        let template = key.proof_without_token("GET", URL);
        for attack in ProofAttack::ALL {
            let hostile = template.hostile(*attack, &honest);
            let before = reached.load(Ordering::SeqCst);
            if hostile.is_replay() {
                send(&app, &hostile).await.assert_success();
            }
            let answer = send(&app, &hostile).await;
            let challenge = match attack.expected_code() {
                "token_invalid" => "invalid_token",
                code => code,
            };
            answer.assert_refused(401, attack.expected_code());
            match hostile.authorization().starts_with("DPoP ") {
                true => answer.assert_dpop_challenge(challenge),
                false => answer.assert_challenge(challenge),
            };
            let accepted = reached.load(Ordering::SeqCst) - before;
            assert_eq!(accepted, usize::from(hostile.is_replay()), "{}", attack.name());
            if attack.name().starts_with("proof_") && !hostile.is_replay() {
                assert_eq!(failed(&hostile, &issuer).len(), 1, "{}: {:?}", attack.name(), failed(&hostile, &issuer));
            }
        }
        good().await.assert_success();
    }
}

#[tokio::test]
async fn s6_01_a_layer_that_takes_no_proofs_refuses_all_of_them() {
    let issuer = TestIssuer::new();
    let reached = Arc::new(AtomicUsize::new(0));
    let app = app(AuthenticateLayer::new(issuer.verifier_for("orders")), &reached);
    let template = TestKey::new(issuer.clock()).proof_without_token("GET", URL);
    for attack in ProofAttack::ALL {
        let hostile = template.hostile(*attack, &issuer.token().subject("ann").audience("orders"));
        assert_eq!(send(&app, &hostile).await.status(), 401, "{}", attack.name());
    }
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn s6_17_hostile_requests_with_the_demanded_nonce_are_refused_for_their_own_reason() {
    let issuer = TestIssuer::new();
    let reached = Arc::new(AtomicUsize::new(0));
    let nonces = Nonces::generate().expect("random numbers");
    let dpop = Dpop::at("https://api.test").nonces(nonces.clone());
    let layer = AuthenticateLayer::builder(issuer.verifier_for("orders")).dpop(dpop).build().expect("a layer");
    let app = app(layer, &reached);
    issuer.clock().advance(std::time::Duration::from_secs(7200));
    let nonce = nonces.current(issuer.clock().now());
    let template = TestKey::new(issuer.clock()).proof_without_token("GET", URL).nonce(nonce);
    for attack in ProofAttack::ALL {
        let hostile = template.hostile(*attack, &issuer.token().subject("ann").audience("orders"));
        if hostile.is_replay() {
            send(&app, &hostile).await.assert_success();
        }
        send(&app, &hostile).await.assert_refused(401, attack.expected_code());
    }
    assert_eq!(reached.load(Ordering::SeqCst), 1);
}

#[test]
fn names_of_attacks_are_unique_over_both_lists() {
    let names = ProofAttack::ALL.iter().map(|attack| attack.name());
    let all: Vec<&str> = names.chain(countersign_test::Attack::ALL.iter().map(|attack| attack.name())).collect();
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
}
