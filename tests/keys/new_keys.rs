//! Requests for a new key during a cool-down: they wait for its end, within bounds, through every kind of source.

use std::sync::Arc;
use std::time::Duration;

use countersign::clock::Clock;
use countersign::issuers::ResolvedIssuers;
use countersign::key::{Algorithm, KeySource};
use countersign::keys::{FailoverKeys, RemoteKeys};
use countersign::policy::NeedsAudience;
use countersign::verify::Verifier;
use countersign_core::mint::Signer;
use countersign_test::{Attack, TestIssuer};

use crate::server::{answer, ok};
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
#[cfg_attr(not(is_ci), ignore = "takes long; CI=true runs it")]
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
    world.advance(SECOND * 11).await;
    assert_eq!(verdict(&world.verifier, &world.with_unknown_key(1)).await, "unknown_key", "by the provider itself");
}

#[tokio::test]
async fn s4_15_a_key_that_the_first_answer_of_a_shared_cache_does_not_have_is_not_unknown_either() {
    let world = World::honest().await;
    let (old, known) = (world.issuer.jwks(), world.token());
    world.issuer.rotate();
    world.server.now(move |_, _| answer(200, &[("age", "200")], &old));
    let error = world.verifier.verify(&world.token()).await.expect_err("the cache has the older set");
    assert_eq!((error.code(), error.retry_after()), ("keys_unavailable", Some(SECOND)));
    assert_eq!(verdict(&world.verifier, &known).await, "ok");
}

/// An `Age` that is no number, too large, or in two parts is not one of a new answer.
#[tokio::test]
async fn s4_15_an_answer_with_an_age_that_cannot_be_read_proves_no_key_to_be_invented() {
    for age in ["99999999999999999999", "soon", "0, 200", "-1"] {
        let world = World::honest().await;
        assert_eq!(verdict(&world.verifier, &world.token()).await, "ok");
        let old = world.issuer.jwks();
        world.issuer.rotate();
        world.server.now(move |_, _| answer(200, &[("age", age)], &old));
        world.advance(SECOND * 11).await;
        assert_eq!(verdict(&world.verifier, &world.token()).await, "keys_unavailable", "{age}");
    }
}

/// A key with this name, of another algorithm than the key of the world's issuer.
fn again(world: &World, algorithm: Algorithm) -> TestIssuer {
    let key = Signer::generate(algorithm).expect("a key").with_key_id(world.issuer.key_id());
    let issuer = TestIssuer::with_algorithm(algorithm).with_name(&world.server.url).with_key(key);
    issuer.clock().step_wall(Clock::now(world.issuer.clock()));
    issuer
}

fn by(issuer: &TestIssuer) -> String {
    issuer.token().audience("orders").lifetime(Duration::from_secs(86_400)).sign()
}

#[tokio::test]
async fn s4_15_a_key_replaced_under_its_name_is_looked_for_as_a_new_one() {
    let world = World::honest().await;
    assert_eq!(verdict(&world.verifier, &world.token()).await, "ok");
    let (first, second) = (again(&world, Algorithm::Ed25519), again(&world, Algorithm::RS256));
    assert_eq!(world.issuer.algorithm(), Algorithm::ES256);
    let jwks = first.jwks();
    world.server.now(move |_, _| ok(&jwks));
    assert_eq!(verdict(&world.verifier, &by(&first)).await, "ok", "found by one fetch");
    assert_eq!(world.server.count(), 2);

    // And again, within the cool-down.
    let jwks = second.jwks();
    world.server.now(move |_, _| ok(&jwks));
    let error = world.verifier.verify(&by(&second)).await.expect_err("not fetched yet");
    assert_eq!((error.code(), error.retry_after()), ("keys_unavailable", Some(SECOND)));
    world.advance(SECOND + Duration::from_millis(1)).await;
    assert_eq!(verdict(&world.verifier, &by(&second)).await, "ok");
}

#[tokio::test]
async fn s4_15_tokens_with_the_name_of_a_key_and_another_algorithm_cause_one_fetch_in_a_cool_down() {
    let world = World::honest().await;
    assert_eq!(verdict(&world.verifier, &world.token()).await, "ok");
    let forged = by(&again(&world, Algorithm::Ed25519));
    assert_eq!(verdict(&world.verifier, &forged).await, "key_mismatch", "the fetch began after the request");
    for _ in 0..100 {
        assert_eq!(verdict(&world.verifier, &forged).await, "keys_unavailable", "it may have been replaced since");
        assert_eq!(verdict(&world.verifier, &world.token()).await, "ok", "and good tokens are verified");
    }
    assert_eq!(world.server.count(), 2);
}

/// What no newer key set could make good is refused at once.
#[tokio::test]
async fn s2_03_an_algorithm_that_the_policy_does_not_allow_causes_no_fetch() {
    let world = World::honest().await;
    assert_eq!(verdict(&world.verifier, &world.token()).await, "ok");
    let honest = world.issuer.token().audience("orders");
    for attack in [Attack::HmacWithPem, Attack::HmacWithJwk, Attack::AlgNone, Attack::AlgLowerCase] {
        let forged = honest.clone().hostile(attack).sign();
        assert_eq!(verdict(&world.verifier, &forged).await, "algorithm_not_allowed", "{}", attack.name());
    }
    // A list of symmetric algorithms over a set of public keys, by mistake.
    let source: Arc<dyn KeySource> = world.keys.clone();
    let hmac = NeedsAudience::new(&world.server.url, source).audience("orders").algorithms([Algorithm::HS256]);
    let clock = Arc::new(world.issuer.clock().clone());
    let verifier = Verifier::builder().trust(hmac).clock(clock).build().expect("a policy");
    for attack in [Attack::HmacWithPem, Attack::HmacWithDer, Attack::HmacWithJwk] {
        assert_eq!(
            verdict(&verifier, &honest.clone().hostile(attack).sign()).await,
            "key_mismatch",
            "{}",
            attack.name()
        );
    }
    assert_eq!(world.server.count(), 1);
}

/// The keys of an issuer that is resolved with the same keys as another one, which are in memory.
#[tokio::test]
async fn s4_15_a_key_replaced_under_its_name_is_looked_for_when_the_issuer_is_resolved() {
    let world = World::honest().await;
    let (keys, name) = (world.keys.clone(), world.server.url.clone());
    let issuers = Arc::new(
        ResolvedIssuers::new(move |_: String| {
            let source: Arc<dyn KeySource> = keys.clone();
            let trusted = NeedsAudience::new(&name, source).audience("orders");
            async move { Ok(Some(trusted)) }
        })
        .danger_allow_private_addresses(),
    );
    let clock = Arc::new(world.issuer.clock().clone());
    let verifier = Verifier::builder().trust_resolved(issuers).clock(clock).build().expect("a policy");
    assert_eq!(verdict(&world.verifier, &world.token()).await, "ok");
    let replaced = again(&world, Algorithm::Ed25519);
    let jwks = replaced.jwks();
    world.server.now(move |_, _| ok(&jwks));
    assert_eq!(verdict(&verifier, &by(&replaced)).await, "ok");
}
