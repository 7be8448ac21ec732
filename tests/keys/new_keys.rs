//! Requests for a new key during a cool-down: they wait for its end, within bounds, through every kind of source.

use std::sync::Arc;
use std::time::Duration;

use countersign::issuers::ResolvedIssuers;
use countersign::keys::{FailoverKeys, RemoteKeys};
use countersign::policy::NeedsAudience;
use countersign::verify::Verifier;

use crate::server::answer;
use crate::world::{World, policy};

const SECOND: Duration = Duration::from_secs(1);

async fn verdict(verifier: &Verifier, token: &str) -> &'static str {
    verifier.verify(token).await.map_or_else(|error| error.code(), |_| "ok")
}

/// An invented key begins the cool-down, then the issuer rotates.
async fn rotation_in_a_cool_down(world: &World, verifier: &Verifier) {
    assert_eq!(verdict(verifier, &world.token()).await, "ok");
    assert_eq!(verdict(verifier, &world.with_unknown_key(0)).await, "unknown_key", "it begins the cool-down");
    let before = world.server.count();
    world.issuer.rotate();
    let token = world.token();
    let error = verifier.verify(&token).await.expect_err("asked for once, it may be invented too");
    assert_eq!((error.code(), error.retry_after()), ("keys_unavailable", Some(SECOND * 10)));
    let waiting: Vec<_> = (0..100)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), token.clone());
            tokio::spawn(async move { verifier.verify(&token).await.map(drop).map_err(|error| error.code()) })
        })
        .collect();
    tokio::task::yield_now().await;
    for number in 0..1_000 {
        assert_eq!(verdict(verifier, &world.with_unknown_key(number)).await, "keys_unavailable", "{number}");
    }
    world.advance(Duration::from_millis(1001)).await;
    for served in waiting {
        assert_eq!(served.await.expect("no panic"), Ok(()));
    }
    assert_eq!(world.server.count() - before, 1, "one fetch for all");
}

#[tokio::test]
async fn s4_15_requests_for_a_new_key_wait_for_the_end_of_the_cool_down_that_an_invented_kid_began() {
    let world = World::honest().await;
    rotation_in_a_cool_down(&world, &world.verifier).await;
}

#[tokio::test]
async fn s4_15_requests_wait_for_a_new_key_through_failover() {
    let world = World::honest().await;
    let keys =
        |path| Arc::new(RemoteKeys::from_url(format!("{}{path}", world.server.url)).refresh_policy(policy())) as _;
    let keys = FailoverKeys::new([keys("/first"), keys("/second")]);
    let trusted = NeedsAudience::new(&world.server.url, Arc::new(keys)).audience("orders");
    let verifier = Verifier::builder().trust(trusted).clock(Arc::new(world.issuer.clock().clone())).build();
    rotation_in_a_cool_down(&world, &verifier.expect("good")).await;
}

#[tokio::test]
async fn s4_15_requests_wait_for_a_new_key_of_a_resolved_issuer() {
    let world = World::honest().await;
    let url = format!("{}/jwks", world.server.url);
    let issuers = ResolvedIssuers::new(move |name: String| {
        let keys = RemoteKeys::from_url(url.clone()).refresh_policy(policy());
        async move { Ok(Some(NeedsAudience::new(name, Arc::new(keys)).audience("orders"))) }
    });
    let issuers = Arc::new(issuers.danger_allow_private_addresses());
    let verifier = Verifier::builder().trust_resolved(issuers).clock(Arc::new(world.issuer.clock().clone())).build();
    rotation_in_a_cool_down(&world, &verifier.expect("good")).await;
}

/// Invented keys, each asked for several times at once: few wait, few fetches, and nobody else is affected.
#[tokio::test]
async fn s4_15_s11_04_invented_keys_that_are_asked_for_repeatedly_are_bounded() {
    let world = World::honest().await;
    let good = world.token();
    assert_eq!(world.verdict(&good).await, "ok");
    world.advance(SECOND * 11).await;
    let (before, mut asked) = (world.server.count(), 0);
    for second in 0..20 {
        let mut asking = Vec::new();
        for _ in 0..1_000 {
            asked += 1;
            let (verifier, token) = (world.verifier.clone(), world.with_unknown_key(asked / 4));
            asking.push(tokio::spawn(async move { verifier.verify(&token).await.is_err() }));
        }
        world.advance(Duration::from_millis(1)).await;
        let waiting = asking.iter().filter(|request| !request.is_finished()).count();
        assert!(waiting <= 256, "{waiting} wait in second {second}");
        assert_eq!(world.verdict(&good).await, "ok");
        world.advance(Duration::from_millis(999)).await;
    }
    let fetched = world.server.count() - before;
    println!("20,000 requests for 5,000 invented keys in 20 s: {fetched} fetches");
    assert!(fetched <= 8, "{fetched}");
}

#[tokio::test]
async fn a_request_does_not_wait_while_the_clock_of_a_test_stands_still() {
    let world = World::honest().await;
    assert_eq!(world.verdict(&world.token()).await, "ok");
    assert_eq!(world.verdict(&world.with_unknown_key(0)).await, "unknown_key");
    assert_eq!(world.verdict(&world.with_unknown_key(1)).await, "keys_unavailable");
    let (verifier, token) = (world.verifier.clone(), world.with_unknown_key(1));
    let waiting = tokio::spawn(async move { verdict(&verifier, &token).await });
    tokio::task::yield_now().await;
    tokio::time::advance(SECOND * 2).await; // the runtime's time only
    assert_eq!(waiting.await.expect("no panic"), "keys_unavailable");
    assert_eq!(world.verdict(&world.with_unknown_key(1)).await, "keys_unavailable", "at once");
}

/// A cache between service and provider that gives its copy in spite of `no-cache`.
#[tokio::test]
async fn s4_15_a_key_that_a_shared_cache_does_not_have_yet_is_not_unknown() {
    let world = World::honest().await;
    let cached = |age: &'static str, set: String| move |_: usize, _: &str| answer(200, &[("age", age)], &set);
    world.server.now(cached("0", world.issuer.jwks()));
    assert_eq!(verdict(&world.verifier, &world.token()).await, "ok");
    assert_eq!(verdict(&world.verifier, &world.with_unknown_key(0)).await, "unknown_key", "just fetched");
    let old = world.issuer.jwks();
    world.issuer.rotate();
    let token = world.token();
    world.server.now(cached("200", old));
    world.advance(SECOND * 11).await;
    let error = world.verifier.verify(&token).await.expect_err("the cache has the older set");
    assert_eq!((error.code(), error.retry_after()), ("keys_unavailable", Some(SECOND)));
    world.server.now(cached("0", world.issuer.jwks()));
    world.advance(SECOND * 11).await;
    assert_eq!(verdict(&world.verifier, &token).await, "ok");
}
