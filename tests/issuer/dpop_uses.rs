//! Each proof of a token request counts once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::StatusCode;
use countersign_core::clock::{Clock, UnixTime};
use countersign_core::proof::Nonces;
use countersign_issuer::MemoryStore;
use serde_json::json;

use crate::direct::{CC, basic};
use crate::dpop::{NAME, World};
use crate::fresh::Blocking;
use crate::outage::Lines;
use crate::service::{SECRET, shop};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn s6_20_s6_11_s6_12_a_proof_counts_once() {
    let world = World::new();
    let proof = world.proof(json!({ "jti": "one" }));
    world.ask(&[&proof]).await.token_for(Some(&world.key));
    world.ask(&[&proof]).await.assert_refused("invalid_dpop_proof");
    let again = world.proof(json!({ "jti": "one", "htu": "https://sts.test:443/tokens/token" }));
    world.ask(&[&again]).await.assert_refused("invalid_dpop_proof");
    world.ask_as(&basic("billing", SECRET), &[&proof], CC).await.assert_refused("invalid_target");
    let by_another = world.ask_as(&basic("billing", SECRET), &[&proof], &format!("{CC}&audience=ledger")).await;
    by_another.assert_refused("invalid_dpop_proof");

    let other = world.other_key();
    let same_id = world.proof_by(&other).id("one").sign();
    world.ask(&[&same_id]).await.token_for(Some(&other));

    let raced = world.proof(json!({}));
    let proofs = [raced.as_str()];
    let (a, b, c) = tokio::join!(world.ask(&proofs), world.ask(&proofs), world.ask(&proofs));
    assert_eq!([a, b, c].iter().filter(|answer| answer.status == StatusCode::OK).count(), 1);
}

#[tokio::test]
async fn s6_20_s6_13_a_refused_request_uses_no_proof_up() {
    let world = World::new();
    let proof = world.proof(json!({}));
    let wrong = world.ask_as(&basic("orders", "a wrong secret, long enough"), &[&proof], CC).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    let orders = basic("orders", SECRET);
    for (form, error) in [
        ("grant_type=password", "unsupported_grant_type"),
        ("grant_type=client_credentials&scope=unknown", "invalid_scope"),
        ("grant_type=client_credentials&audience=ledger", "invalid_target"),
        ("grant_type=urn:ietf:params:oauth:grant-type:token-exchange", "invalid_request"),
    ] {
        world.ask_as(&orders, &[&proof], form).await.assert_refused(error);
    }
    world.ask(&[&proof]).await.token_for(Some(&world.key));
}

#[tokio::test]
async fn s6_20_s6_12_a_used_proof_is_remembered_as_long_as_it_would_be_accepted() {
    let world = World::new();
    let start = world.clock.now();
    let early = world.proof(json!({ "iat": start.as_secs() - 1 }));
    world.ask(&[&early]).await.assert_refused("invalid_dpop_proof"); // from before the start: perhaps used
    let ahead = world.proof(json!({ "iat": start.as_secs() + 10 }));
    world.ask(&[&ahead]).await.token_for(Some(&world.key));
    for _ in 0..7 {
        world.clock.advance(10 * SECOND);
        world.ask(&[&ahead]).await.assert_refused("invalid_dpop_proof");
    }
    let last = world.proof(json!({ "iat": world.clock.now().as_secs() - 60 }));
    world.ask(&[&last]).await.token_for(Some(&world.key));

    // A clock that is set back: what was used is still known, and the start counts by the clock as it is now.
    let proof = world.proof(json!({}));
    world.ask(&[&proof]).await.token_for(Some(&world.key));
    world.clock.step_wall(world.clock.now().saturating_sub(5 * SECOND));
    world.ask(&[&proof]).await.assert_refused("invalid_dpop_proof");
    world.clock.step_wall(start.saturating_sub(Duration::from_secs(86_400)));
    world.ask(&[&world.proof(json!({}))]).await.token_for(Some(&world.key));
}

#[tokio::test]
async fn s6_20_instances_that_share_a_store_take_a_proof_once() {
    let store = Arc::new(MemoryStore::new());
    let one = World::with(|builder| shop(builder).store(store.clone()));
    let other = World::at(NAME, one.clock.clone(), |builder| shop(builder).store(store));
    let proof = one.proof(json!({}));
    one.ask(&[&proof]).await.token_for(Some(&one.key));
    other.ask(&[&proof]).await.assert_refused("invalid_dpop_proof");
}

#[tokio::test]
async fn s6_20_s6_14_a_full_or_failing_store_answers_503() {
    let unavailable = |answer: &crate::dpop::Answer| {
        let status_and_code = (answer.status, &answer.body["error"]);
        assert_eq!(status_and_code, (StatusCode::SERVICE_UNAVAILABLE, &json!("temporarily_unavailable")));
        assert_eq!(answer.headers["retry-after"], "1");
    };
    let world = World::with(|builder| shop(builder).store(Arc::new(MemoryStore::new().max_ids(10))));
    for _ in 0..5 {
        world.ask(&[&world.proof(json!({}))]).await.token_for(Some(&world.key));
    }
    unavailable(&world.ask(&[&world.proof(json!({}))]).await);
    world.ask(&[]).await.token_for(None);
    let ledger = format!("{CC}&audience=ledger");
    let other = world.ask_as(&basic("billing", SECRET), &[&world.proof(json!({}))], &ledger).await;
    other.token_for(Some(&world.key));
    world.clock.advance(120 * SECOND);
    world.ask(&[&world.proof(json!({}))]).await.token_for(Some(&world.key));

    let store = Arc::new(Blocking::default());
    let world = World::with(|builder| shop(builder).store(store.clone()));
    world.ask(&[]).await.token_for(None);
    store.fails.store(true, Ordering::Relaxed);
    unavailable(&world.ask(&[&world.proof(json!({}))]).await);
    world.ask(&[]).await.token_for(None);
    store.fails.store(false, Ordering::Relaxed);
    world.ask(&[&world.proof(json!({}))]).await.token_for(Some(&world.key));
}

#[tokio::test]
async fn s6_20_s10_01_the_log_tells_the_reason_and_nothing_of_the_proof() {
    countersign_tests::events::enable_events_on_every_thread();
    let nonces = Nonces::generate().expect("random");
    let nonce = nonces.current(UnixTime::from_secs(1_700_000_000));
    let world = World::with(|builder| shop(builder).dpop_nonces(nonces));
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let listening = tracing::subscriber::set_default(subscriber);
    let good = world.proof(json!({ "jti": "a-secret-id", "nonce": nonce }));
    let elsewhere = json!({ "jti": "a-secret-id", "nonce": nonce, "htu": "https://elsewhere.test/token" });
    let proofs = [good.clone(), good, world.proof(elsewhere), world.proof(json!({ "jti": "a-secret-id" }))];
    for proof in &proofs {
        world.ask(&[proof]).await;
    }
    drop(listening);
    let text = String::from_utf8(lines.0.lock().expect("no panic").clone()).expect("text");
    for expected in [
        "is_bound=true",
        "error=\"invalid_dpop_proof\" reason=\"proof_replayed\"",
        "error=\"invalid_dpop_proof\" reason=\"proof_wrong_uri\"",
        "error=\"use_dpop_nonce\" reason=\"proof_nonce_required\"",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    let thumbprint = world.key.thumbprint();
    let secrets = ["a-secret-id", "elsewhere", nonce.as_str(), thumbprint.as_str()];
    for secret in secrets.into_iter().chain(proofs.iter().flat_map(|proof| proof.split('.'))) {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
