//! A primary that sentinels name and replace.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_redis::{RedisReplays, RedisSettings};
use countersign_tests::ports::free_port;
use countersign_tests::redis::RedisServer;
use countersign_tests::sentinel::{PRIMARY, Sentinel, SentinelSettings, Sentinels};

use crate::loss::{none_counts_again, on_time, used};
use crate::tls::TlsFiles;
use crate::world::{SINCE, World, assert_accepted, assert_refused, assert_unavailable};

/// How long a test waits at most for what must come.
const AT_MOST: Duration = Duration::from_secs(60);

fn settings(name: &str, sentinels: Vec<String>) -> RedisSettings {
    RedisSettings::new(format!("redis://{name}")).sentinels(sentinels)
}

/// The reason why there is no store.
async fn problem(settings: RedisSettings) -> String {
    RedisReplays::connect(settings).await.expect_err("no store").to_string()
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_14_the_primary_is_the_one_that_sentinels_name() {
    let (port, of_replica) = (free_port(), free_port());
    let primary = RedisServer::with(&["--port", &port.to_string()]);
    let lines = vec![
        "user default off".to_owned(),
        "user orders on >s3cret -@all +sentinel|get-master-addr-by-name".to_owned(),
        "user without on >s3cret -@all +ping".to_owned(),
    ];
    let of = |primary| SentinelSettings { primary, quorum: 1, lines: lines.clone(), is_tls: false };
    let sentinel = Sentinel::start(&of(port));
    let url = |user: &str, password: &str| format!("redis://{user}:{password}@127.0.0.1:{}", sentinel.port());
    let (good, nobody) = (url("orders", "s3cret"), format!("redis://127.0.0.1:{}", free_port()));
    let store = RedisReplays::connect(settings(PRIMARY, vec![nobody.clone(), good.clone()])).await.expect("a store");
    primary.remember_since_long_ago(SINCE);
    let world = World::new();
    let instance = world.instance(Arc::new(store));
    let client = world.client("web", "u1");
    let proof = client.proof(world.now());
    assert_accepted(&instance.send_of(&client, &proof).await);
    assert_refused(&instance.send_of(&client, &proof).await);

    for (name, sentinels, expected) in [
        ("billing-primary", vec![good.clone()], "no sentinel knows a primary of this name"),
        (PRIMARY, vec![nobody], "connection refused"),
        (PRIMARY, vec![url("orders", "wr0ng")], "user or password is wrong"),
        (PRIMARY, vec![url("without", "s3cret")], "may not run a command"),
    ] {
        let problem = problem(settings(name, sentinels)).await;
        assert!(problem.contains(expected), "{problem}");
        assert!(!problem.contains("s3cret") && !problem.contains("wr0ng"), "{problem}");
    }
    // A sentinel that was not told of a fail-over, or the only one that answers.
    let replica =
        RedisServer::with(&["--port", &of_replica.to_string(), "--replicaof", "127.0.0.1", &port.to_string()]);
    let behind = Sentinel::start(&SentinelSettings { lines: Vec::new(), ..of(of_replica) });
    assert!(problem(settings(PRIMARY, vec![behind.url()])).await.contains("read-only replica"));
    let most = vec![behind.url(), good.clone(), good];
    assert!(RedisReplays::connect(settings(PRIMARY, most)).await.is_ok(), "most of them name the primary");
    drop(replica);
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_14_by_tls_sentinels_and_servers_are_reached() {
    let files = TlsFiles::new("sentinel");
    let port = free_port();
    let server = RedisServer::with(&files.arguments(port));
    let lines = files.settings().iter().map(|(name, path)| format!("{name} {path}")).collect();
    let sentinel = Sentinel::start(&SentinelSettings { primary: port, quorum: 1, lines, is_tls: true });

    let url = || vec![format!("rediss://127.0.0.1:{}", sentinel.port())];
    let settings = || RedisSettings::new(format!("rediss://{PRIMARY}")).sentinels(url()).only_added_roots();
    let with = |settings: RedisSettings| files.with_certificate(settings);
    assert!(problem(with(settings())).await.contains("no authority is trusted"));
    assert!(!problem(settings().add_roots(files.authority.clone())).await.is_empty(), "without its certificate");
    let store = RedisReplays::connect(with(settings().add_roots(files.authority.clone()))).await.expect("a store");
    server.remember_since_long_ago(SINCE);
    let world = World::new();
    let client = world.client("web", "u1");
    let answer = world.instance(Arc::new(store)).send_of(&client, &client.proof(world.now())).await;
    assert_accepted(&answer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(has_redis, is_ci)), ignore = "needs Redis: tests/peers/install; takes long: CI=true runs it")]
async fn s6_12_s6_14_after_a_failover_no_used_proof_counts_again() {
    let mut servers = Sentinels::start();
    let store = RedisReplays::connect(settings(PRIMARY, servers.urls())).await.expect("a store");
    servers.primary.remember_since_long_ago(SINCE);
    let world = World::new();
    let instance = world.instance(on_time(store));
    let client = world.client("web", "u1");
    let used = used(&world, &client, &instance).await;
    servers.primary.kill();
    let killed = Instant::now();
    let answer = instance.send_of(&client, &client.proof(world.now())).await;
    assert_unavailable(&answer);
    let recovered = none_counts_again(&world, &client, &instance, &used).await;
    println!("a new proof was accepted {recovered:?} after the primary was killed, {:?} in all", killed.elapsed());
}

/// The primary hangs, is replaced, and goes on as if nothing had been: a service that asked it nothing meanwhile leaves it too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(has_redis, is_ci)), ignore = "needs Redis: tests/peers/install; takes long: CI=true runs it")]
async fn s6_12_a_primary_that_was_replaced_while_it_hung_takes_no_proof() {
    let servers = Sentinels::start();
    let connect = async || on_time(RedisReplays::connect(settings(PRIMARY, servers.urls())).await.expect("a store"));
    let world = World::new();
    let [one, idle] = [connect().await, connect().await].map(|store| world.instance(store));
    servers.primary.remember_since_long_ago(SINCE);
    let client = world.client("web", "u1");
    assert_accepted(&idle.send_of(&client, &client.proof(world.now())).await);
    servers.primary.suspend();
    servers.wait_for_failover();
    let start = Instant::now();
    while one.send_of(&client, &client.proof(world.now() + 10)).await.status != 200 {
        assert!(start.elapsed() < AT_MOST, "no proof was accepted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    servers.primary.resume();
    let mut accepted = 0;
    for _ in 0..200 {
        let proof = client.proof(world.now() + 10);
        let answers = [idle.send_of(&client, &proof).await.status, one.send_of(&client, &proof).await.status];
        assert!(answers.iter().filter(|status| **status == 200).count() <= 1, "{answers:?}");
        accepted += usize::from(answers.contains(&200));
    }
    assert!(accepted > 0, "nothing was tried");
}
