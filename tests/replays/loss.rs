//! Servers that lose what they remember: no proof counts again, and new ones are accepted without a restart of the service.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_redis::{RedisReplays, RedisSettings};
use countersign_tests::ports::free_port;
use countersign_tests::redis::RedisServer;

use crate::world::{
    Client, Instance, SINCE, World, aged, assert_accepted, assert_refused, assert_unavailable, patient,
};

/// How long a test waits at most for what must come.
const AT_MOST: Duration = Duration::from_secs(60);

/// Proofs that are accepted now: of a client whose clock is right, and of one that is 10 s ahead.
pub async fn used(world: &World, client: &Client, instance: &Instance) -> Vec<String> {
    let mut all = Vec::new();
    for at in [world.now(), world.now() + 5, world.now() + 10] {
        let proof = client.proof(at);
        assert_accepted(&instance.send_of(client, &proof).await);
        all.push(proof);
    }
    all
}

/// Sends the used proofs until a new one is accepted, and then as long as they might be: none of them may ever be.
pub async fn none_counts_again(world: &World, client: &Client, instance: &Instance, used: &[String]) -> Duration {
    let start = Instant::now();
    loop {
        for proof in used {
            let answer = instance.send_of(client, proof).await;
            assert!([401, 503].contains(&answer.status), "{answer:?} after {:?}", start.elapsed());
        }
        // Made by a client that is ahead, whose proofs are accepted first.
        let answer = instance.send_of(client, &client.proof(world.now() + 10)).await;
        if answer.status == 200 {
            break;
        }
        assert!([401, 503].contains(&answer.status), "{answer:?}");
        assert!(start.elapsed() < AT_MOST, "no proof was accepted: {answer:?}");
        tokio::time::sleep(Duration::from_millis(50)).await; // until the time of the server has come
    }
    let recovered = start.elapsed();
    for proof in used {
        let answer = instance.send_of(client, proof).await;
        assert!([401, 503].contains(&answer.status), "{answer:?}");
    }
    recovered
}

/// A store for clocks that are nearly the same, so that a loss is over after 12 s.
pub fn on_time(store: RedisReplays) -> Arc<RedisReplays> {
    Arc::new(store.clock_difference(Duration::from_secs(1)))
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_12_a_server_that_was_killed_and_started_again_empty_accepts_no_proof_twice() {
    let (mut server, store) = aged().await;
    let world = World::new();
    let instance = world.instance(on_time(store));
    let client = world.client("web", "u1");
    let used = used(&world, &client, &instance).await;
    server.kill();
    assert_unavailable(&instance.send_of(&client, &used[0]).await);
    server.start_again();
    let recovered = none_counts_again(&world, &client, &instance, &used).await;
    println!("a new proof was accepted {recovered:?} after the start");
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_12_a_server_that_was_emptied_while_it_ran_accepts_no_proof_twice() {
    let (server, store) = aged().await;
    let world = World::new();
    let instance = world.instance(on_time(store));
    let client = world.client("web", "u1");
    let used = used(&world, &client, &instance).await;
    server.run(&["FLUSHALL"]);
    // Made before by the clock: 401, and a new proof helps. Perhaps made before: 503.
    assert_refused(&instance.send_of(&client, &used[0]).await);
    assert_unavailable(&instance.send_of(&client, &used[2]).await);
    none_counts_again(&world, &client, &instance, &used).await;
}

/// A clock that was ahead let records expire early.
#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_12_a_server_whose_clock_was_set_back_accepts_no_proof_twice() {
    let (server, store) = aged().await;
    let world = World::new();
    let instance = world.instance(on_time(store));
    let client = world.client("web", "u1");
    let used = used(&world, &client, &instance).await;
    // As after a minute in which the clock was a minute ahead: the note has a later time, and the records are gone.
    let note = server.run(&["GET", SINCE]);
    let (start, _) = note.trim().rsplit_once(' ').expect("an id and two times");
    server.run(&["FLUSHALL"]);
    server.run(&["SET", SINCE, &format!("{start} {}", world.now() + 60)]);
    none_counts_again(&world, &client, &instance, &used).await;
}

/// The note comes back with old data, but not the proofs that were recorded since.
#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_12_a_server_that_was_started_again_with_old_data_accepts_no_proof_twice() {
    let mut server = RedisServer::start();
    let store = crate::world::connect(&server).await;
    server.remember_since_long_ago(SINCE);
    assert_eq!(server.run(&["SAVE"]).trim(), "OK");
    let world = World::new();
    let instance = world.instance(on_time(store));
    let client = world.client("web", "u1");
    let used = used(&world, &client, &instance).await;
    server.kill();
    server.start_again();
    assert!(server.run(&["GET", SINCE]).contains(' '), "the note is there again");
    none_counts_again(&world, &client, &instance, &used).await;
}

/// A replica that lags has the note of the primary, but not its last proofs.
#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_12_s6_14_a_replica_takes_no_proof_and_accepts_none_twice_after_its_promotion() {
    let port = free_port().to_string();
    let primary = RedisServer::with(&["--port", &port, "--repl-diskless-sync-delay", "0"]);
    let store = crate::world::connect(&primary).await;
    let replica = RedisServer::with(&["--port", "0", "--replicaof", "127.0.0.1", &port]);
    let start = Instant::now();
    while !replica.run(&["INFO", "replication"]).contains("master_link_status:up") {
        assert!(start.elapsed() < AT_MOST, "no replication");
        std::thread::sleep(Duration::from_millis(20));
    }
    // The first replica gave the primary a new id.
    primary.remember_since_long_ago(SINCE);
    while !replica.run(&["GET", SINCE]).contains(" 1000 ") {
        assert!(start.elapsed() < AT_MOST, "the note is not replicated");
        std::thread::sleep(Duration::from_millis(20));
    }

    let world = World::new();
    let error = RedisReplays::connect(RedisSettings::new(replica.url())).await.expect_err("read-only");
    assert!(error.to_string().contains("read-only replica"), "{error}");
    let of_replica = RedisReplays::connect_in_background(patient(RedisSettings::new(replica.url()))).expect("settings");
    let (one, other) = (world.instance(on_time(store)), world.instance(on_time(of_replica)));
    let client = world.client("web", "u1");
    assert_unavailable(&other.send_of(&client, &client.proof(world.now())).await);

    // The replication ends before the proofs are used: they never reach the replica.
    replica.run(&["REPLICAOF", "NO", "ONE"]);
    let used = used(&world, &client, &one).await;
    none_counts_again(&world, &client, &other, &used).await;
}
