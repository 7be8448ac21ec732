//! What every store does, in memory and in Redis.

use std::sync::Arc;
use std::time::Duration;

use countersign::clock::UnixTime;
use countersign::proof::{MemoryReplays, ReplayStore};

use crate::world::{SINCE, World, aged, assert_accepted, assert_refused, assert_unavailable};

/// Proofs for which the store in memory has room, in 64 parts.
const IN_MEMORY: usize = 64 * 16;

/// Those of the one in Redis: few, so that a busy machine uses them up within one window.
const IN_REDIS: usize = 256;

/// The store in Redis counts for so many seconds, and then from zero.
const WINDOW_SECONDS: u64 = 64;

async fn a_proof_counts_once<S: ReplayStore>(stores: [Arc<S>; 2]) {
    let world = World::new();
    let [one, other] = stores.each_ref().map(|store| world.instance(Arc::clone(store)));
    let client = world.client("web", "u1");
    let proof = client.proof_named(world.now(), "one");
    assert_accepted(&one.send_of(&client, &proof).await);
    assert_refused(&one.send_of(&client, &proof).await);
    assert_refused(&other.send_of(&client, &proof).await);
    // The same name again, in a new proof.
    assert_refused(&other.send_of(&client, &client.proof_named(world.now(), "one")).await);
    // Another key may use the same name.
    let second = world.client("web", "u1");
    assert_accepted(&other.send_of(&second, &second.proof_named(world.now(), "one")).await);
    for _ in 0..50 {
        let proof = client.proof(world.now());
        let answers = tokio::join!(one.send_of(&client, &proof), other.send_of(&client, &proof));
        assert_eq!(answers.0.status + answers.1.status, 601, "exactly one: {answers:?}");
    }
    let found = stores.each_ref().map(|store| store.stats().expect("it counts"));
    // Two names for one store count twice.
    let times = if Arc::ptr_eq(&stores[0], &stores[1]) { 2 } else { 1 };
    assert_eq!(found.iter().map(|stats| stats.used).sum::<u64>(), times * (3 + 50), "{found:?}");
    assert!(found.iter().all(|stats| stats.entries.is_none_or(|entries| entries == 52)), "{found:?}");
    assert!(found.iter().all(|stats| (stats.share_used_up, stats.unknown, stats.forgotten) == (0, 0, 0)), "{found:?}");
}

async fn a_record_stays<S: ReplayStore>(store: Arc<S>, time: Duration) {
    let world = World::new();
    let instance = world.instance(store);
    let client = world.client("web", "u1");
    let start = world.now();
    let proof = client.proof(start + 10);
    assert_accepted(&instance.send_of(&client, &proof).await);
    world.issuer.clock().advance(time);
    assert_refused(&instance.send_of(&client, &proof).await);
}

/// The store has room for this many proofs.
async fn one_client_fills_its_share<S: ReplayStore>(world: &World, store: Arc<S>, room: usize) {
    let instance = world.instance(Arc::clone(&store));
    let busy = world.client("busy", "user 0");
    let tokens: Vec<_> = (0..40).map(|number| world.for_subject(&busy, "busy", &format!("user {number}"))).collect();
    let (mut accepted, mut refused) = (0, 0);
    for number in 0..room {
        let token = &tokens[number % tokens.len()];
        let answer = instance.send(token, &busy.proof_for(token, world.now())).await;
        match answer.status {
            200 => accepted += 1,
            _ => {
                assert_unavailable(&answer);
                refused += 1;
            }
        }
    }
    assert!((room * 2 / 5..=room / 2).contains(&accepted), "half of the issuer's: {accepted}");
    let stats = store.stats().expect("it counts");
    assert_eq!((stats.share_used_up, stats.used, stats.unknown), (refused, 0, 0), "{stats:?}");
    assert!(stats.entries.is_none_or(|entries| entries == accepted), "{stats:?}");
    for number in 0..20 {
        let other = world.client(&format!("client {number}"), "user 1");
        assert_accepted(&instance.send_of(&other, &other.proof(world.now())).await);
    }
    // One user of a client that has many leaves room for the others.
    let one = world.client("app", "u1");
    let mut of_one = 0;
    while of_one <= room && instance.send_of(&one, &one.proof(world.now())).await.status == 200 {
        of_one += 1;
    }
    assert!((8..=room / 4).contains(&of_one), "{of_one}");
    let two = world.client("app", "u2");
    assert_accepted(&instance.send_of(&two, &two.proof(world.now())).await);
}

#[tokio::test]
async fn s6_11_s6_12_s11_11_in_memory() {
    let store = Arc::new(MemoryReplays::new());
    a_proof_counts_once([Arc::clone(&store), store]).await;
    a_record_stays(Arc::new(MemoryReplays::new()), Duration::from_secs(65)).await;
    one_client_fills_its_share(&World::new(), Arc::new(MemoryReplays::new().max_proofs(IN_MEMORY)), IN_MEMORY).await;
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_11_two_instances_with_one_redis_accept_a_proof_once() {
    let (server, store) = aged().await;
    let other = crate::world::connect(&server).await;
    a_proof_counts_once([Arc::new(store), Arc::new(other)]).await;
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_12_redis_keeps_a_record_until_a_minute_after_the_end_of_its_proof() {
    let (server, store) = aged().await;
    let longest = Duration::from_secs(30);
    a_record_stays(Arc::new(store.clock_difference(longest)), Duration::from_secs(25)).await;

    // The time of the record itself, by the server's clock.
    server.run(&["FLUSHALL"]);
    server.remember_since_long_ago(SINCE);
    let world = World::new();
    let instance = world.instance(Arc::new(crate::world::connect(&server).await));
    let client = world.client("web-shop", "subject-one");
    let made = world.now() + 10;
    assert_accepted(&instance.send_of(&client, &client.proof(made)).await);
    let keys = server.run(&["KEYS", "*"]);
    let ends: Vec<u64> =
        keys.lines().map(|key| server.run(&["EXPIRETIME", key])).filter_map(|end| end.trim().parse().ok()).collect();
    // The end of the proof, 60 s after it was made, a second as times are whole, and a minute.
    assert!(ends.contains(&(made + 60 + 1 + 60)), "{made}: {ends:?}");
    // Besides: counts of issuer, client and subject, and the note of since when it remembers, which stays.
    assert_eq!(ends.len(), 4, "{keys}");
    assert!(ends.iter().all(|end| *end > world.now() && *end < world.now() + 140), "{ends:?}");
    // No key has text of the client.
    assert!(!keys.contains("web-shop") && !keys.contains("subject-one") && !keys.contains("test."), "{keys}");
    assert!(keys.lines().all(|key| key.starts_with("countersign:replays:{0}:")), "{keys}");
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s11_11_one_client_fills_its_share_of_redis() {
    let (_server, store) = aged().await;
    let longest = Duration::from_secs(30);
    let world = World::new();
    let rest = WINDOW_SECONDS - world.now() % WINDOW_SECONDS;
    if rest <= longest.as_secs() {
        let next = UnixTime::from_secs(world.now() + rest);
        world.issuer.clock().step_wall(next);
    }
    let store = store.max_proofs(IN_REDIS as u64).clock_difference(longest);
    one_client_fills_its_share(&world, Arc::new(store), IN_REDIS).await;
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_12_a_service_whose_clock_differs_from_that_of_redis_accepts_no_proof() {
    let (_server, store) = aged().await;
    let world = World::new();
    let instance = world.instance(Arc::new(store.clock_difference(Duration::from_secs(20))));
    let real = world.now();
    for (offset, is_accepted) in [(-40, false), (-15, true), (0, true), (15, true), (40, false)] {
        let now = real.saturating_add_signed(offset);
        world.issuer.clock().step_wall(UnixTime::from_secs(now));
        let client = world.client("web", "u1"); // with a token of this time
        let answer = instance.send_of(&client, &client.proof(now)).await;
        if is_accepted { assert_accepted(&answer) } else { assert_unavailable(&answer) }
    }
}
