//! Many instances that start together, with and without the keys of an earlier run.

use std::sync::Arc;
use std::time::Duration;

use countersign::keys::{KeySnapshot, RemoteKeys};
use countersign::policy::NeedsAudience;
use countersign::verify::Verifier;

use crate::server::{Reply, Server, answer, ok};
use crate::world::{World, policy, until};

/// The instances that start together.
fn instances() -> usize {
    countersign_tests::repeats(40, 200)
}

/// The requests that wait at each of them.
const REQUESTS: usize = 5;

/// Verifiers with sources of their own, as separate processes have them.
fn replicas(world: &World, keys: impl Fn(&str) -> RemoteKeys) -> Vec<Verifier> {
    (0..instances())
        .map(|_| {
            let trusted = NeedsAudience::new(&world.server.url, Arc::new(keys(&world.server.url)));
            let clock = Arc::new(world.issuer.clock().clone());
            Verifier::builder().trust(trusted.audience("orders")).clock(clock).build().expect("a good policy")
        })
        .collect()
}

/// The codes of the requests that every replica gets at the same time and that are not verified.
async fn refused(replicas: &[Verifier], token: &str) -> Vec<&'static str> {
    let asking: Vec<_> = replicas
        .iter()
        .flat_map(|verifier| (0..REQUESTS).map(move |_| verifier.clone()))
        .map(|verifier| {
            let token = token.to_owned();
            tokio::spawn(async move { verifier.verify(&token).await.err().map(|error| error.code()) })
        })
        .collect();
    until("an answer to each", || asking.iter().all(tokio::task::JoinHandle::is_finished)).await;
    let mut refused = Vec::new();
    for verdict in asking {
        refused.extend(verdict.await.expect("no panic"));
    }
    refused
}

/// The requests of the server whose path ends in `end`.
fn count(world: &World, end: &str) -> usize {
    world.server.heads().iter().filter(|head| head.split(' ').nth(1).is_some_and(|path| path.ends_with(end))).count()
}

#[tokio::test]
async fn s4_17_replicas_that_start_together_fetch_once_each_and_refuse_nothing() {
    let world = World::of(Server::start(|_, _| Reply::Hang).await, |url| RemoteKeys::from_issuer(url));
    let (issuer, url) = (world.issuer.clone(), world.server.url.clone());
    world.server.now(move |_, path| match path {
        "/.well-known/openid-configuration" => {
            ok(serde_json::json!({"issuer": url, "jwks_uri": format!("{url}/keys")}).to_string())
        }
        "/keys" => ok(issuer.jwks()),
        _ => answer(404, &[], ""),
    });
    let replicas = replicas(&world, |url| RemoteKeys::from_issuer(url).refresh_policy(policy()));
    assert_eq!(refused(&replicas, &world.token()).await, [""; 0]);
    assert_eq!((count(&world, "/openid-configuration"), count(&world, "/keys")), (instances(), instances()));
    assert_eq!(world.server.count(), 2 * instances());
}

/// A world whose keys an earlier run stored 100 s ago, for 600 s.
async fn with_kept_keys() -> (World, KeySnapshot) {
    let world = World::honest().await;
    assert_eq!(world.verdict(&world.token()).await, "ok");
    let kept = world.keys.snapshot().expect("keys").to_json();
    world.advance(Duration::from_secs(100)).await;
    (world, KeySnapshot::from_json(&kept).expect("its own output"))
}

#[tokio::test]
async fn s4_17_replicas_with_kept_keys_wait_for_nothing_and_fetch_once_each() {
    let (world, kept) = with_kept_keys().await;
    let token = world.token();
    world.server.now(|_, _| Reply::Hang);
    let replicas = replicas(&world, |url| {
        let keys = RemoteKeys::from_url(format!("{url}/jwks")).initial_snapshot(kept.clone());
        keys.refresh_policy(policy()) // without jitter: all of them fetch now, and none is answered
    });
    let before = world.server.count();
    assert_eq!(refused(&replicas, &token).await, [""; 0]);
    world.server.asked(before + instances()).await;
    assert_eq!(refused(&replicas, &token).await, [""; 0]);
    assert_eq!(world.server.count(), before + instances());
}

#[tokio::test]
async fn s4_17_s4_18_first_fetches_with_kept_keys_are_spread_by_the_jitter() {
    let (world, kept) = with_kept_keys().await;
    let before = world.server.count();
    let replicas = replicas(&world, |url| {
        let keys = RemoteKeys::from_url(format!("{url}/jwks")).initial_snapshot(kept.clone());
        keys.refresh_policy(policy().jitter(0.2)) // of the 500 s that the keys stay fresh
    });
    assert_eq!(refused(&replicas, &world.token()).await, [""; 0]);
    assert_eq!(world.server.count(), before, "none fetches at the start");

    world.issuer.rotate();
    let first = replicas.first().expect("an instance");
    assert_eq!(
        first.verify(&world.token()).await.err().map(|error| error.code()),
        None,
        "a new key is fetched at once"
    );
    assert_eq!(world.server.count(), before + 1);

    world.advance(Duration::from_secs(101)).await;
    world.server.asked(before + instances()).await;
    assert_eq!(refused(&replicas, &world.token()).await, [""; 0]);
    assert_eq!(world.server.count(), before + instances(), "one each");
}

#[tokio::test]
async fn s4_17_kept_keys_that_are_stale_are_fetched_at_once() {
    let (world, kept) = with_kept_keys().await;
    world.advance(Duration::from_secs(501)).await;
    let (token, before) = (world.token(), world.server.count());
    let replicas = replicas(&world, |url| {
        let keys = RemoteKeys::from_url(format!("{url}/jwks")).initial_snapshot(kept.clone());
        keys.refresh_policy(policy().jitter(0.5))
    });
    assert_eq!(refused(&replicas, &token).await, [""; 0]);
    assert_eq!(world.server.count(), before + instances());
}
