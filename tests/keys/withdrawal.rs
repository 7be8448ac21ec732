//! Answers that state that there are no keys: they are obeyed, in contrast to failures.

use std::sync::Arc;
use std::time::Duration;

use countersign::key::{KeyHealth, KeySource};
use countersign::keys::{FailoverKeys, FileKeys, RemoteKeys};
use countersign::policy::NeedsAudience;
use countersign::verify::Verifier;
use serde_json::json;

use crate::server::{Reply, Server, answer, ok};
use crate::sources::file;
use crate::world::{World, policy, until};

const EMPTY: &str = r#"{"keys":[]}"#;

/// Advances by `seconds` and returns whether `token` was accepted in each of them.
async fn accepted(world: &World, verifier: &Verifier, token: &str, seconds: usize) -> Vec<bool> {
    let mut accepted = Vec::new();
    for _ in 0..seconds {
        world.advance(Duration::from_secs(1)).await;
        accepted.push(verifier.verify(token).await.is_ok());
    }
    accepted
}

#[tokio::test]
async fn s4_07_an_authentic_empty_answer_ends_the_use_of_the_keys_within_a_minute() {
    for reply in [ok(EMPTY), ok(r#"{"keys": [ ], "more": 1}"#), answer(410, &[], "")] {
        let world = World::honest().await;
        let token = world.token();
        assert_eq!(world.verdict(&token).await, "ok");
        assert_eq!(world.verdict(&token).await, "ok");
        let reply_now = reply.clone();
        world.server.now(move |_, _| reply_now.clone());
        world.advance(Duration::from_secs(11)).await;
        assert_eq!(world.verdict(&world.with_unknown_key(1)).await, "keys_unavailable", "finds it out");
        let accepted = accepted(&world, &world.verifier, &token, 60).await;
        assert!(accepted[..30].iter().all(|ok| *ok), "it may be a mistake of a moment");
        assert!(!accepted[59], "{reply:?}");
        let error = world.verify(&token).await.expect_err("withdrawn");
        assert!(error.is_unavailable() && error.retry_after().is_some(), "{error}");
        assert!(matches!(world.health(), KeyHealth::NotReady { .. }), "{:?}", world.health());
        assert!(world.keys.snapshot().is_none(), "a restart must not bring the keys back");

        world.server.now(|_, _| answer(503, &[], ""));
        world.advance(Duration::from_secs(61)).await;
        assert_eq!(world.verdict(&token).await, "keys_unavailable", "a failure does not bring them back either");
        world.recover();
        world.advance(Duration::from_secs(61)).await;
        until("the keys are back", || world.health() == KeyHealth::Ready).await;
        assert_eq!(world.verdict(&token).await, "ok");
    }
}

#[tokio::test]
async fn s4_07_the_background_refresh_obeys_an_empty_set_too() {
    let world = World::honest().await;
    let token = world.token();
    assert_eq!(world.verdict(&token).await, "ok");
    world.server.now(|_, _| ok(EMPTY));
    world.advance(Duration::from_secs(481)).await; // due at 480 s
    world.server.asked(2).await;
    assert_eq!(world.verdict(&token).await, "ok");
    world.advance(Duration::from_secs(60)).await;
    assert_eq!(world.verdict(&token).await, "keys_unavailable");
}

#[tokio::test]
async fn s4_07_an_empty_answer_of_a_moment_changes_nothing_and_404_stays_an_outage() {
    let world = World::honest().await;
    let token = world.token();
    assert_eq!(world.verdict(&token).await, "ok");
    world.server.now(|_, _| ok(EMPTY));
    world.advance(Duration::from_secs(11)).await;
    assert_eq!(world.verdict(&world.with_unknown_key(1)).await, "keys_unavailable");
    world.recover();
    let recovered = accepted(&world, &world.verifier, &token, 120).await;
    assert!(recovered.iter().all(|ok| *ok));
    assert_eq!(world.health(), KeyHealth::Ready);

    for outage in [answer(404, &[], ""), ok(r#"{"keys":[{"kty":"XYZ"}]}"#), ok(r#"{"keys":["#), ok("{}")] {
        world.server.now(move |_, _| outage.clone());
        world.advance(Duration::from_secs(481)).await;
        let during = accepted(&world, &world.verifier, &token, 120).await;
        assert!(during.iter().all(|ok| *ok), "an outage");
        world.recover();
        world.advance(Duration::from_secs(61)).await;
    }
}

#[tokio::test]
async fn s4_07_410_from_an_address_that_never_served_keys_is_an_outage() {
    let world = World::with(|_, _| answer(404, &[], "")).await;
    let (issuer, url) = (world.issuer.clone(), world.server.url.clone());
    let document = move |keys: &str| ok(json!({"issuer": url, "jwks_uri": format!("{url}{keys}")}).to_string());
    let first = document.clone();
    world.server.now(move |_, path| match path {
        "/keys" => ok(issuer.jwks()),
        path if path.starts_with("/.well-known/openid") => first("/keys"),
        _ => answer(404, &[], ""),
    });
    let keys = Arc::new(RemoteKeys::from_issuer(&world.server.url).refresh_policy(policy()));
    let verifier = verifier(&world, keys);
    let token = world.token();
    assert!(verifier.verify(&token).await.is_ok());
    world.server.now(move |_, path| match path {
        "/moved" => answer(410, &[], ""),
        path if path.starts_with("/.well-known/openid") => document("/moved"),
        _ => answer(404, &[], ""),
    });
    world.advance(Duration::from_secs(700)).await;
    assert!(verifier.verify(&token).await.is_ok(), "the new address may be a wrong one");
}

fn verifier(world: &World, keys: Arc<dyn KeySource>) -> Verifier {
    let trusted = NeedsAudience::new(&world.server.url, keys).audience("orders");
    Verifier::builder().trust(trusted).clock(Arc::new(world.issuer.clock().clone())).build().expect("a good policy")
}

/// Advances until `done`, and gives the thread that reads files real time.
async fn settle(world: &World, what: &str, done: impl Fn() -> bool) {
    for _ in 0..60 {
        if done() {
            return;
        }
        world.advance(Duration::from_secs(1)).await;
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("not in time: {what}");
}

#[tokio::test]
async fn s4_07_a_key_file_that_is_gone_or_empty_withdraws_its_keys_and_a_broken_one_does_not() {
    for (change, is_withdrawal) in [
        (None, true),
        (Some(EMPTY), true),
        (Some(""), false),
        (Some(r#"{"keys":[{"kty":"XYZ"}]}"#), false),
        (Some(r#"{"keys":["#), false),
    ] {
        let world = World::honest().await; // for its clock
        let path = file("withdrawn.json");
        std::fs::write(&path, world.issuer.jwks()).expect("written");
        let keys = Arc::new(FileKeys::new(&path));
        let verifier = verifier(&world, keys.clone());
        let token = world.token();
        assert!(verifier.verify(&token).await.is_ok());
        match change {
            None => std::fs::remove_file(&path).expect("removed"),
            Some(text) => std::fs::write(&path, text).expect("written"),
        }
        settle(&world, "it was seen", || keys.describe().health != KeyHealth::Ready).await;
        assert!(verifier.verify(&token).await.is_ok(), "{change:?}");
        let accepted = accepted(&world, &verifier, &token, 48).await;
        assert_eq!(accepted[47], !is_withdrawal, "a minute after the change: {change:?}");
        std::fs::write(&path, world.issuer.jwks()).expect("written");
        settle(&world, "the keys are back", || keys.describe().health == KeyHealth::Ready).await;
        assert!(verifier.verify(&token).await.is_ok());
    }
}

#[tokio::test]
async fn s4_07_no_later_source_replaces_one_that_withdrew_its_keys() {
    let world = World::honest().await;
    let issuer = world.issuer.clone();
    world.server.now(move |_, _| ok(issuer.jwks()));
    let failover = || {
        let source = |path: &str| {
            let keys = RemoteKeys::from_url(format!("{}{path}", world.server.url)).refresh_policy(policy());
            Arc::new(keys) as Arc<dyn KeySource>
        };
        verifier(&world, Arc::new(FailoverKeys::new([source("/first"), source("/second")])))
    };
    let (warm, token) = (failover(), world.token());
    assert!(warm.verify(&token).await.is_ok());
    let issuer = world.issuer.clone();
    world.server.now(move |_, path| if path == "/first" { ok(EMPTY) } else { ok(issuer.jwks()) });
    world.advance(Duration::from_secs(481)).await;
    let accepted = accepted(&world, &warm, &token, 60).await;
    assert!(accepted[10] && !accepted[59], "{accepted:?}");
    let cold = failover();
    assert!(cold.verify(&token).await.expect_err("withdrawn").is_unavailable(), "also after a restart");
    world.advance(Duration::from_secs(3)).await;
    assert!(cold.verify(&token).await.is_err());

    // The counterpart: a source that is down is replaced.
    let issuer = world.issuer.clone();
    world.server.now(move |_, path| if path == "/first" { answer(503, &[], "") } else { ok(issuer.jwks()) });
    assert!(failover().verify(&token).await.is_ok());
}

/// A later source with an empty set, such as a placeholder, takes nothing from an earlier one that cannot be reached.
#[tokio::test]
async fn s4_20_an_empty_later_source_takes_no_keys_from_an_earlier_one() {
    let world = World::honest().await;
    let path = file("placeholder.json");
    std::fs::write(&path, EMPTY).expect("written");
    let remote = Arc::new(RemoteKeys::from_url(format!("{}/jwks", world.server.url)).refresh_policy(policy()));
    let sources = [remote.clone() as Arc<dyn KeySource>, Arc::new(FileKeys::new(&path))];
    let verifier = verifier(&world, Arc::new(FailoverKeys::new(sources)));
    let token = world.token();
    assert!(verifier.verify(&token).await.is_ok());
    world.server.now(|_, _| answer(503, &[], ""));
    world.advance(Duration::from_secs(700)).await;
    assert!(!remote.describe().health.is_ready() || remote.describe().stats.is_stale);
    assert!(verifier.verify(&token).await.is_ok(), "stale keys");
    for number in 0..3 {
        let unknown = verifier.verify(&world.with_unknown_key(number)).await.expect_err("no such key");
        assert!(unknown.is_unavailable(), "{unknown}");
        assert!(accepted(&world, &verifier, &token, 60).await.iter().all(|ok| *ok), "after invented key {number}");
    }
    world.advance(Duration::from_secs(3600)).await;
    assert!(verifier.verify(&token).await.expect_err("too old").is_unavailable(), "the placeholder brings none");
}

#[tokio::test]
async fn a_cold_start_with_an_empty_set_is_503() {
    let server = Server::start(|_, _| Reply::Hang).await;
    let world = World::of(server, |url| RemoteKeys::from_url(format!("{url}/jwks")));
    world.server.now(|_, _| ok(EMPTY));
    assert_eq!(world.verdict(&world.token()).await, "keys_unavailable");
    assert!(!world.health().is_ready());
}
