//! What one instance of the issuer is told is refused by all services, and by those that start later.

use std::sync::Arc;
use std::time::Duration;

use countersign::clock::UnixTime;
use countersign::revocation::{RevocationNotice, RevocationSink};
use countersign_issuer::{MemoryStore, Store};
use countersign_redis::RevocationStream;
use countersign_tests::redis::RedisServer;

use crate::world::{EVERYWHERE_WITHIN, ISSUER, World, end_of, entry_keys, settings, until_all};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_12_told_to_one_of_two_issuers_and_refused_by_three_services_within_2_s() {
    let (server, world) = (RedisServer::start(), World::new());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let issuers = [(); 2].map(|()| world.sts(Arc::clone(&store), settings(&server)));
    let services = world.services(&issuers[0], &server);
    let good = issuers[0].token("ann");
    let start = until_all(&services, &good, 200).await;
    let mut times = Vec::new();
    for number in 0..countersign_tests::repeats(20, 200) {
        let issuer = &issuers[number % 2];
        let token = issuer.token("ann");
        for service in &services {
            assert_eq!(service.status(&token).await, 200);
        }
        issuer.revoke(&token).await;
        times.push(until_all(&services, &token, 401).await);
    }
    times.sort_unstable();
    let p99 = times[(times.len() * 99).div_ceil(100) - 1];
    println!("ready after {start:?}; everywhere: median {:?}, p99 {p99:?}", times[times.len() / 2]);
    assert!(p99 <= EVERYWHERE_WITHIN, "{p99:?}");
    for service in &services {
        assert_eq!(service.status(&good).await, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_12_each_kind_is_refused_by_services_that_follow_and_by_one_that_starts_later() {
    let (server, world) = (RedisServer::start(), World::new());
    let sts = world.sts(Arc::new(MemoryStore::new()), settings(&server));
    let services = world.services(&sts, &server);
    let (ann, bob) = (sts.token("ann"), sts.token("bob"));
    until_all(&services, &bob, 200).await;
    world.clock.advance(Duration::from_secs(2));
    let now = sts.issuer.clock().now();
    let notice = RevocationNotice::subject(ISSUER, "ann", now, UnixTime::MAX).expect("a notice");
    sts.issuer.revoke(notice).await.expect("stored");
    until_all(&services, &ann, 401).await;
    let later = world.service(sts.issuer.trusted_for("orders"), settings(&server));
    later.until_complete(&bob, &[&ann]).await;
    let notice = RevocationNotice::client(ISSUER, "web", now, UnixTime::MAX).expect("a notice");
    sts.issuer.revoke(notice).await.expect("stored");
    until_all(&services, &bob, 401).await;
    later.until(&bob, 401).await;
    let next = sts.token("ann");
    world.clock.advance(Duration::from_secs(2));
    later.until(&sts.token("ann"), 200).await;
    drop(next);
    // One epoch, and no name of anybody in a key.
    let keys = server.run(&["KEYS", "*"]);
    assert!(!keys.contains("ann") && !keys.contains("id.test") && !keys.contains("web"), "{keys}");
    assert_eq!(entry_keys(&server).len(), 1, "{keys}");
}

/// A receiver of logouts tells the stream what no issuer has stored. It stays when the stream is filled again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_12_what_a_sink_adds_reaches_all_and_stays_in_a_new_epoch() {
    let (server, world) = (RedisServer::start(), World::new());
    let sink = RevocationStream::connect(settings(&server), ISSUER).await.expect("a stream");
    let sts = world.sts(Arc::new(MemoryStore::new()), settings(&server));
    let services = world.services(&sts, &server);
    let (good, one, other) = (sts.token("ann"), sts.token("ann"), sts.token("ann"));
    until_all(&services, &good, 200).await;
    sink.revoke(one.notice.clone()).await.expect("taken");
    until_all(&services, &one, 401).await;
    let foreign = RevocationNotice::token("https://other.test", "a", end_of(&one)).expect("a notice");
    assert!(sink.revoke(foreign).await.is_err());

    sts.revoke(&other).await;
    until_all(&services, &other, 401).await;
    let [key] = &entry_keys(&server)[..] else { panic!("one epoch") };
    let of_other = server.run(&["XREVRANGE", key, "+", "-", "COUNT", "1"]);
    let id = of_other.lines().next().expect("an id").trim();
    assert_eq!(server.run(&["XDEL", key, id]).trim(), "1");
    let later = world.service(sts.issuer.trusted_for("orders"), settings(&server));
    later.until_complete(&good, &[&one, &other]).await;
    assert_ne!(entry_keys(&server).last(), Some(key).filter(|_| entry_keys(&server).len() == 1), "a new epoch");
}

#[tokio::test]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_12_without_a_publisher_no_revocation_is_taken() {
    let server = RedisServer::start();
    let sink = RevocationStream::connect(settings(&server), ISSUER).await.expect("a stream");
    let notice = RevocationNotice::token(ISSUER, "a", UnixTime::MAX).expect("a notice");
    let error = sink.revoke(notice).await.expect_err("nobody has filled it");
    assert!(error.to_string().contains("no publisher has filled"), "{error}");
}
