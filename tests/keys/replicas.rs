//! Many replicas of a service that start at the same time.

use std::sync::Arc;
use std::time::Duration;

use countersign::key::KeySource;
use countersign::keys::{KeySnapshot, RemoteKeys};
use countersign::policy::NeedsAudience;
use countersign::verify::Verifier;

use crate::world::{World, policy};

const REPLICAS: usize = 200;

/// The requests that each replica has at once before it has keys.
const REQUESTS: usize = 5;

#[tokio::test]
async fn s4_17_replicas_that_start_together_fetch_the_keys_once_each() {
    let world = World::honest().await;
    let replicas: Vec<_> = (0..REPLICAS).map(|_| replica(&world, None)).collect();
    assert_eq!(verdicts(&replicas, &world.token()).await, REPLICAS * REQUESTS, "no request failed");
    assert_eq!(world.server.count(), REPLICAS);
}

#[tokio::test]
async fn s4_17_replicas_that_start_with_the_keys_of_their_last_run_fetch_later_and_at_most_once_each() {
    let world = World::honest().await;
    assert_eq!(world.verdict(&world.token()).await, "ok");
    let snapshot = world.keys.snapshot().expect("keys");
    let before = world.server.count();
    let replicas: Vec<_> = (0..REPLICAS).map(|_| replica(&world, Some(snapshot.clone()))).collect();
    assert_eq!(verdicts(&replicas, &world.token()).await, REPLICAS * REQUESTS, "no request failed");
    assert_eq!(world.server.count(), before, "each process waits for its time");
    // At most a minute later. All replicas of this test are one process, which has one time, and a bound on fetches.
    world.advance(Duration::from_secs(90)).await;
    let fetches = world.server.count() - before;
    assert!((1..=REPLICAS).contains(&fetches), "{fetches}");
}

/// A verifier with a key source of its own, as another process has.
fn replica(world: &World, snapshot: Option<KeySnapshot>) -> (Verifier, Arc<RemoteKeys>) {
    let keys = RemoteKeys::from_url(format!("{}/jwks", world.server.url)).refresh_policy(policy().jitter(0.1));
    let keys = Arc::new(match snapshot {
        Some(snapshot) => keys.initial_snapshot(snapshot),
        None => keys,
    });
    let source: Arc<dyn KeySource> = keys.clone();
    let trusted = NeedsAudience::new(&world.server.url, source).audience("orders");
    let clock = Arc::new(world.issuer.clock().clone());
    (Verifier::builder().trust(trusted).clock(clock).build().expect("a good policy"), keys)
}

/// How many of the requests, all sent at once, are good.
async fn verdicts(replicas: &[(Verifier, Arc<RemoteKeys>)], token: &str) -> usize {
    let requests = replicas.iter().flat_map(|(verifier, _)| std::iter::repeat_n(verifier.clone(), REQUESTS));
    let asking: Vec<_> = requests
        .map(|verifier| {
            let token = token.to_owned();
            tokio::spawn(async move { verifier.verify(&token).await.is_ok() })
        })
        .collect();
    let mut good = 0;
    for verdict in asking {
        good += usize::from(verdict.await.expect("no panic"));
    }
    good
}
