//! Servers that cannot be used: 503, within a limit, and never a pass.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::proof::ReplayStore;
use countersign_redis::{RedisReplays, RedisSettings};
use countersign_tests::http::Service;
use countersign_tests::redis::RedisServer;

use crate::world::{Client, Instance, SINCE, World, aged, app, assert_accepted, assert_unavailable, connect};

/// How long a test waits at most for what must come.
const AT_MOST: Duration = Duration::from_secs(30);

/// Sends new proofs until one is accepted.
async fn until_accepted(world: &World, client: &Client, instance: &Instance) {
    let start = Instant::now();
    loop {
        let answer = instance.send_of(client, &client.proof(world.now())).await;
        if answer.status == 200 {
            return;
        }
        assert_unavailable(&answer);
        assert!(start.elapsed() < AT_MOST, "no proof was accepted");
        tokio::time::sleep(Duration::from_millis(20)).await; // until the store has connected
    }
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_14_without_a_server_requests_get_503_over_http_and_no_challenge() {
    let (mut server, store) = aged().await;
    let world = World::new();
    let client = world.client("web", "u1");
    let store = Arc::new(store);
    let service = Service::start(app(world.issuer.verifier_for("api"), Arc::clone(&store))).await;
    let send = async || {
        let proof = client.proof(world.now());
        let headers = [format!("Authorization: DPoP {}", client.token), format!("DPoP: {proof}")];
        service.request("GET /r", &headers.each_ref().map(String::as_str)).await
    };
    assert_eq!(send().await.status, 200);
    server.kill();
    for _ in 0..20 {
        let answer = send().await;
        assert_eq!((answer.status, answer.code().as_str()), (503, "proof_unavailable"), "{answer:?}");
        assert_eq!((answer.challenge(), answer.header("retry-after")), ("", Some("1")), "{answer:?}");
    }
    let stats = store.stats().expect("it counts");
    assert_eq!((stats.unknown, stats.used, stats.entries), (20, 0, None), "{stats:?}");
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_14_a_service_starts_without_its_server_and_needs_no_restart_when_it_comes() {
    let mut server = RedisServer::start();
    server.kill();
    let error = RedisReplays::connect(RedisSettings::new(server.url())).await.expect_err("nobody listens");
    assert!(error.to_string().contains("connection refused"), "{error}");
    let store = RedisReplays::connect_in_background(RedisSettings::new(server.url())).expect("sound settings");
    let world = World::new();
    let instance = world.instance(Arc::new(store));
    let client = world.client("web", "u1");
    assert_unavailable(&instance.send_of(&client, &client.proof(world.now())).await);
    server.start_again();
    server.remember_since_long_ago(SINCE);
    until_accepted(&world, &client, &instance).await;
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_14_a_server_that_hangs_costs_a_request_its_limit_and_no_more() {
    let server = RedisServer::start();
    let settings = || RedisSettings::new(server.url()).timeout(Duration::from_millis(200));
    let store = RedisReplays::connect(settings().connect_timeout(Duration::from_millis(300))).await.expect("a store");
    server.remember_since_long_ago(SINCE);
    let world = World::new();
    let instance = world.instance(Arc::new(store));
    let client = world.client("web", "u1");
    assert_accepted(&instance.send_of(&client, &client.proof(world.now())).await);
    server.suspend();
    let start = Instant::now();
    for _ in 0..10 {
        assert_unavailable(&instance.send_of(&client, &client.proof(world.now())).await);
    }
    let ten = start.elapsed();
    // Only those that had a connection wait for their limit.
    assert!(ten >= Duration::from_millis(200) && ten < Duration::from_millis(1_500), "{ten:?}");
    let error = RedisReplays::connect(settings().connect_timeout(Duration::from_millis(300))).await.expect_err("hangs");
    assert!(error.to_string().contains("does not answer in time"), "{error}");
    server.resume();
    until_accepted(&world, &client, &instance).await;
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_14_no_more_commands_wait_than_the_bound() {
    let server = RedisServer::start();
    let settings = RedisSettings::new(server.url()).max_in_flight(2).timeout(Duration::from_secs(20));
    let store = RedisReplays::connect(settings).await.expect("a store");
    server.remember_since_long_ago(SINCE);
    let world = World::new();
    let layer = countersign::proof::Dpop::at("https://api.test").replay_store(Arc::new(store));
    let instance = world.instance_with(layer.timeout(Duration::from_secs(30)));
    let clients: Vec<_> = (0..3).map(|number| world.client("web", &format!("u{number}"))).collect();
    let proofs: Vec<_> = clients.iter().map(|client| client.proof(world.now())).collect();
    server.suspend();
    let mut waiting = Box::pin(async {
        tokio::join!(instance.send_of(&clients[0], &proofs[0]), instance.send_of(&clients[1], &proofs[1]))
    });
    // Each is polled once, and waits for the server.
    assert!(futures_util::poll!(&mut waiting).is_pending());
    assert_unavailable(&instance.send_of(&clients[2], &proofs[2]).await);
    server.resume();
    let (first, second) = waiting.await;
    assert_accepted(&first);
    assert_accepted(&second);
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_14_a_full_server_and_a_foreign_key_are_503() {
    let (server, store) = aged().await;
    let world = World::new();
    let instance = world.instance(Arc::new(store));
    let client = world.client("web", "u1");
    assert_accepted(&instance.send_of(&client, &client.proof(world.now())).await);
    server.run(&["CONFIG", "SET", "maxmemory", "1"]);
    for _ in 0..3 {
        assert_unavailable(&instance.send_of(&client, &client.proof(world.now())).await);
    }
    server.run(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_accepted(&instance.send_of(&client, &client.proof(world.now())).await);
    server.run(&["DEL", SINCE]);
    server.run(&["LPUSH", SINCE, "x"]);
    assert_unavailable(&instance.send_of(&client, &client.proof(world.now())).await);
}

/// A server that makes room by removing keys would let a used proof count again.
#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s6_14_a_server_that_removes_used_proofs_is_refused() {
    let server = RedisServer::with(&["--port", "0", "--maxmemory", "100mb"]);
    for policy in ["volatile-lru", "allkeys-lru", "volatile-ttl", "allkeys-random"] {
        server.run(&["CONFIG", "SET", "maxmemory-policy", policy]);
        let error = RedisReplays::connect(RedisSettings::new(server.url())).await.expect_err(policy);
        assert!(error.to_string().contains("maxmemory-policy noeviction"), "{error}");
        let store = RedisReplays::connect_in_background(RedisSettings::new(server.url())).expect("sound settings");
        let world = World::new();
        let client = world.client("web", "u1");
        let answer = world.instance(Arc::new(store)).send_of(&client, &client.proof(world.now())).await;
        assert_unavailable(&answer);
    }
    server.run(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    connect(&server).await;
}
