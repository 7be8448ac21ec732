//! Bundles from Redis: published by revision, pulled in bounds, hinted, and away.

use std::time::{Duration, Instant};

use countersign::reload::{BundledPolicy, PolicyBundle, ShadowPolicy};
use countersign_redis::{BundlePublishErrorKind, RedisBundles, RedisSettings};
use countersign_tests::ports::free_port;
use countersign_tests::redis::RedisServer;
use countersign_tests::sentinel::{PRIMARY, Sentinels};

use crate::world::{FLEET, World, code};

/// How long a test waits at most for what must come.
const AT_MOST: Duration = Duration::from_secs(30);

/// The commands that the documentation of `RedisBundles` lists for a service.
const OF_SERVICES: &str = "+info +getrange +xread";

/// Those of a publisher.
const OF_PUBLISHERS: &str = "+eval +evalsha +info +getrange +set +xadd";

async fn bundles(settings: RedisSettings) -> RedisBundles {
    RedisBundles::connect(settings, FLEET).await.expect("a server")
}

fn settings(server: &RedisServer) -> RedisSettings {
    RedisSettings::new(server.url()).timeout(Duration::from_secs(5))
}

async fn service(world: &World, bundles: RedisBundles) -> BundledPolicy {
    world.service(PolicyBundle::from_source(bundles, world.pins())).build().await.expect("a bundle")
}

/// Waits until this revision is in force.
async fn until(service: &BundledPolicy, revision: u64) -> Duration {
    let start = Instant::now();
    while service.revision() != revision {
        assert!(start.elapsed() < AT_MOST, "{:?}", service.verifier().policy_error());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    start.elapsed()
}

/// The key of this kind: `policy`, `shadow` or `hints`.
fn key(server: &RedisServer, kind: &str) -> String {
    let keys = server.run(&["KEYS", &format!("countersign:bundles:*:{kind}")]);
    assert_eq!(keys.lines().count(), 1, "{keys}");
    keys.trim().to_owned()
}

/// The calls of this command so far.
fn calls(server: &RedisServer, command: &str) -> usize {
    let stats = server.run(&["INFO", "commandstats"]);
    let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.map_or(0, |line| line.split(',').next().and_then(|number| number.parse().ok()).expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_01_s14_02_a_later_revision_is_published_pulled_and_hinted() {
    let (server, world) = (RedisServer::start(), World::of_now("redis"));
    let bundles = bundles(settings(&server)).await;
    let unpublished = world.service(PolicyBundle::from_source(bundles.clone(), world.pins())).build().await;
    let error = unpublished.expect_err("nothing there").to_string();
    assert!(error.contains("nothing is published for shop-production"), "{error}");

    let first = world.bundle(4, "orders");
    assert_eq!(bundles.publish(&format!("{first}\n"), &world.pins()).await, Ok(true));
    let service = service(&world, bundles.clone()).await;
    assert_eq!((service.revision(), service.pull().await), (4, Ok(false)));
    // A pull of an unchanged bundle is one read, of its head, and another one reads the document too.
    let before = calls(&server, "getrange");
    for _ in 0..3 {
        assert_eq!(service.pull().await, Ok(false));
    }
    let reads = calls(&server, "getrange") - before;
    assert!((3..=4).contains(&reads), "{reads} with that of the first hint");

    // No name of anybody is in a key, and an earlier revision replaces nothing.
    let keys = server.run(&["KEYS", "*"]);
    assert!(!keys.contains("shop"), "{keys}");
    let stored = server.run(&["GET", &key(&server, "policy")]);
    for (document, kind, code) in [
        (world.bundle(3, "orders"), BundlePublishErrorKind::NotNewer, "bundle_older_revision"),
        (world.bundle(4, "billing"), BundlePublishErrorKind::NotNewer, "bundle_same_revision"),
        (first.replace('.', ""), BundlePublishErrorKind::Refused, "bundle_malformed"),
        (World::new("other").bundle(9, "orders"), BundlePublishErrorKind::Refused, "bundle_unknown_key"),
    ] {
        let error = bundles.publish(&document, &world.pins()).await.expect_err(code);
        assert_eq!((error.kind(), error.code()), (kind, code), "{error}");
    }
    assert_eq!(server.run(&["GET", &key(&server, "policy")]), stored);
    assert_eq!(bundles.publish(&first, &world.pins()).await, Ok(false));

    assert_eq!(bundles.publish(&world.bundle(5, "billing"), &world.pins()).await, Ok(true));
    let took = until(&service, 5).await;
    println!("in force {took:?} after it was published");
    assert_eq!(code(service.verifier(), &world.issuer.token().audience("billing")).await, "accepted");
    assert_eq!(service.verifier().policy_error(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_02_a_flood_of_hints_costs_at_most_one_pull_a_second() {
    let (server, world) = (RedisServer::start(), World::of_now("redis-flood"));
    let bundles = bundles(settings(&server)).await;
    bundles.publish(&world.bundle(1, "orders"), &world.pins()).await.expect("published");
    let service = service(&world, bundles).await;
    let (before, start) = (calls(&server, "getrange"), Instant::now());
    let flood = "for i = 1, 500 do redis.call('XADD', KEYS[1], 'MAXLEN', 1, '*', 'x', i) end return 0";
    let hints = key(&server, "hints");
    let time = Duration::from_millis(countersign_tests::repeats(1300, 4300) as u64);
    while start.elapsed() < time {
        server.run(&["EVAL", flood, "1", &hints]);
        tokio::task::yield_now().await;
    }
    let (pulls, took) = (calls(&server, "getrange") - before, start.elapsed());
    println!("{pulls} pulls within {took:?}");
    assert!(pulls >= 1 && pulls as u64 <= took.as_secs() + 1, "{pulls} within {took:?}");
    assert_eq!(service.revision(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_02_s14_03_the_last_good_bundle_stays_while_redis_is_away_and_the_next_is_pulled_afterwards() {
    let (mut server, world) = (RedisServer::start(), World::of_now("redis-away"));
    let publisher = bundles(settings(&server)).await;
    publisher.publish(&world.bundle(1, "orders"), &world.pins()).await.expect("published");
    let interval = Duration::from_millis(500);
    let start = |bundles: RedisBundles| {
        let source = PolicyBundle::from_source(bundles, world.pins()).last_good(world.file("last.jws"));
        world.service(source).interval(interval).build()
    };
    let service = start(publisher.clone()).await.expect("a bundle");
    server.kill();
    let from = Instant::now();
    while service.verifier().policy_error().is_none() {
        assert!(from.elapsed() < AT_MOST, "nobody noticed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(code(service.verifier(), &world.issuer.token().audience("orders")).await, "accepted");
    let error = publisher.publish(&world.bundle(2, "billing"), &world.pins()).await.expect_err("away");
    assert_eq!((error.kind(), error.code()), (BundlePublishErrorKind::Unavailable, "redis_unavailable"));
    let background = RedisBundles::connect_in_background(settings(&server), FLEET).expect("sound settings");
    let later = start(background).await.expect("the last good bundle");
    assert_eq!((later.revision(), later.verifier().policy_error().is_some()), (1, true));

    server.start_again(); // without its data
    let publisher = bundles(settings(&server)).await;
    publisher.publish(&world.bundle(2, "billing"), &world.pins()).await.expect("published");
    for service in [&service, &later] {
        let took = until(service, 2).await;
        println!("in force {took:?} after it was published");
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_01_s14_02_what_others_write_into_the_key_is_refused_in_bounds() {
    let (server, world) = (RedisServer::start(), World::of_now("redis-hostile"));
    let bundles = bundles(settings(&server)).await;
    let first = world.bundle(2, "orders");
    bundles.publish(&first, &world.pins()).await.expect("published");
    let service = service(&world, bundles.clone()).await;
    let key = key(&server, "policy");
    let whole = server.run(&["GET", &key]);
    let (head, _) = whole.trim_end().split_once('\n').expect("a head");
    let problem = async || service.pull().await.expect_err("refused").to_string();
    for (value, expected) in [
        ("", "nothing is published"),
        ("nonsense", "no bundle that was published whole"),
        (first.as_str(), "no bundle that was published whole"),
        (&format!("3{}", &whole[1..whole.len() / 2]), "no bundle that was published whole"),
        (&format!("{head}x\n{first}"), "no bundle that was published whole"),
    ] {
        server.run(&["SET", &key, value]);
        let problem = problem().await;
        assert!(problem.contains(expected), "{value}: {problem}");
    }
    // What was cut is whole again when the same is published again; what is no bundle is not replaced.
    server.run(&["SET", &key, &whole[..whole.len() / 2]]);
    assert_eq!(bundles.publish(&first, &world.pins()).await, Ok(false));
    assert_eq!((server.run(&["GET", &key]), service.pull().await), (whole.clone(), Ok(false)));
    server.run(&["SET", &key, "nonsense"]);
    let error = bundles.publish(&world.bundle(3, "orders"), &world.pins()).await.expect_err("not a bundle");
    assert_eq!(error.code(), "not_a_bundle");
    server.run(&["EVAL", "return redis.call('SET', KEYS[1], string.rep('a', 10485760))", "1", &key]);
    assert!(problem().await.contains("longer than 1048576 bytes"));
    server.run(&["DEL", &key]);
    server.run(&["HSET", &key, "a", "b"]);
    assert!(problem().await.contains("choose another prefix"));
    assert_eq!((service.revision(), service.verifier().policy_error().is_some()), (2, true));
    server.run(&["DEL", &key]);
    bundles.publish(&world.bundle(3, "orders"), &world.pins()).await.expect("published");
    until(&service, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_02_the_documented_permissions_are_enough_and_services_cannot_publish() {
    let text = include_str!("../../crates/countersign-redis/src/bundles/redis_bundles.rs");
    let (server, world) = (RedisServer::start(), World::of_now("redis-access"));
    let user = |name: &str, commands: &str| {
        let rule = format!("~countersign:bundles:* resetchannels -@all {commands}");
        assert!(text.contains(&rule), "{rule}");
        let mut set = vec!["ACL", "SETUSER", name, "reset", "on", ">s3cret"];
        set.extend(rule.split(' '));
        assert_eq!(server.run(&set).trim(), "OK");
        settings_of(&server, name)
    };
    let publisher = bundles(user("deploy", OF_PUBLISHERS)).await;
    let of_service = bundles(user("orders", OF_SERVICES)).await;
    publisher.publish(&world.bundle(1, "orders"), &world.pins()).await.expect("permitted");
    let service = service(&world, of_service.clone()).await;
    publisher.publish(&world.bundle(2, "orders"), &world.pins()).await.expect("permitted");
    until(&service, 2).await;
    let error = of_service.publish(&world.bundle(3, "orders"), &world.pins()).await.expect_err("not permitted");
    assert!(error.to_string().contains("may not run a command"), "{error}");
    let shown = format!("{of_service:?} {error:?} {:?}", service.report());
    assert!(!shown.contains("s3cret") && !shown.contains("redis.sock"), "{shown}");
}

fn settings_of(server: &RedisServer, user: &str) -> RedisSettings {
    RedisSettings::new(format!("{}?user={user}&pass=s3cret", server.url()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_02_s14_07_a_cluster_serves_bundles_and_shadows_as_a_server_does() {
    let (port, bus) = (free_port().to_string(), free_port().to_string());
    let server = RedisServer::with(&["--port", &port, "--cluster-enabled", "yes", "--cluster-port", &bus]);
    assert_eq!(server.run(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).trim(), "OK");
    while !server.run(&["CLUSTER", "INFO"]).contains("cluster_state:ok") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let world = World::of_now("redis-cluster");
    let bundles = bundles(RedisSettings::cluster([format!("redis://127.0.0.1:{port}")])).await;
    bundles.publish(&world.bundle(1, "orders"), &world.pins()).await.expect("published");
    let shadow = world.draft(2, World::policy("billing", "")).sign_shadow(&world.signer).expect("signed");
    assert_eq!(bundles.publish(&shadow, &world.pins()).await.expect_err("a shadow").code(), "bundle_wrong_type");
    bundles.shadow().publish(&shadow, &world.pins()).await.expect("published");
    let source = PolicyBundle::from_source(bundles.clone(), world.pins());
    let source = source.shadow(ShadowPolicy::from_source(bundles.shadow()));
    let service = world.service(source).build().await.expect("a bundle");
    assert_eq!(service.shadow().expect("compared").revision, Some(2));
    bundles.publish(&world.bundle(2, "billing"), &world.pins()).await.expect("published");
    until(&service, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(has_redis, is_ci)), ignore = "needs Redis: tests/peers/install; takes long: CI=true runs it")]
async fn s14_02_after_a_failover_bundles_are_published_and_hinted_again() {
    let (mut servers, world) = (Sentinels::start(), World::of_now("redis-sentinel"));
    let of = || RedisSettings::new(format!("redis://{PRIMARY}")).sentinels(servers.urls());
    let publisher = bundles(of()).await;
    publisher.publish(&world.bundle(1, "orders"), &world.pins()).await.expect("published");
    let service = service(&world, bundles(of()).await).await;
    let next = world.bundle(2, "billing");
    servers.primary.kill();
    servers.wait_for_failover();
    let start = Instant::now();
    while let Err(error) = publisher.publish(&next, &world.pins()).await {
        assert!(start.elapsed() < AT_MOST && error.kind() == BundlePublishErrorKind::Unavailable, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    until(&service, 2).await;
    println!("in force {:?} after the fail-over", start.elapsed());
}
