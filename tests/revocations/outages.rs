//! Redis that is down, hangs or cannot be reached, and an issuer that restarts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_issuer::{FileStore, MemoryStore, Store};
use countersign_tests::redis::RedisServer;

use crate::relay::Relay;
use crate::world::{AFTER_OUTAGE_WITHIN, EVERYWHERE_WITHIN, MAX_AGE, World, settings, until_all};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_09_s14_12_redis_killed_and_emptied_loses_no_revocation() {
    let (mut server, world) = (RedisServer::start(), World::new());
    let sts = world.sts(Arc::new(MemoryStore::new()), settings(&server));
    let services = world.services(&sts, &server);
    let (good, before, meanwhile) = (sts.token("ann"), sts.token("ann"), sts.token("ann"));
    until_all(&services, &good, 200).await;
    sts.revoke(&before).await;
    until_all(&services, &before, 401).await;

    server.kill(); // its data are lost
    sts.revoke(&meanwhile).await;
    for service in &services {
        assert_eq!(service.status(&before).await, 401, "it is in memory");
        assert_eq!(service.status(&good).await, 200, "the feed is young enough");
    }
    world.clock.advance(MAX_AGE);
    until_all(&services, &good, 503).await;
    let started_meanwhile = world.service(sts.issuer.trusted_for("orders"), settings(&server));
    for _ in 0..20 {
        for service in services.iter().chain([&started_meanwhile]) {
            assert_eq!(service.status(&good).await, 503, "by the setting for the unknown");
            assert_eq!(service.status(&meanwhile).await, 503);
        }
        assert_eq!(services[0].status(&before).await, 401);
    }

    server.start_again();
    let back = Instant::now();
    let revoked = [&before, &meanwhile];
    let (all, _) =
        tokio::join!(until_all(&services, &meanwhile, 401), started_meanwhile.until_complete(&good, &revoked));
    until_all(&services, &good, 200).await;
    println!("refused again after {all:?}, all decide after {:?}", back.elapsed());
    assert!(all <= AFTER_OUTAGE_WITHIN, "{all:?}");
    assert!(back.elapsed() <= 2 * AFTER_OUTAGE_WITHIN, "{:?}", back.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_12_an_issuer_that_restarts_goes_on_with_the_same_list() {
    let (server, world) = (RedisServer::start(), World::new());
    let path = std::env::temp_dir().join(format!("cs-revocations-{}.redb", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let open = || Arc::new(FileStore::open(&path).expect("a store")) as Arc<dyn Store>;
    let first = world.sts(open(), settings(&server));
    let services = world.services(&first, &server);
    let (good, before, after) = (first.token("ann"), first.token("ann"), first.token("ann"));
    until_all(&services, &good, 200).await;
    first.revoke(&before).await;
    until_all(&services, &before, 401).await;

    drop(services);
    let trusted = first.issuer.trusted_for("orders");
    drop(first);
    // Nobody says that the stream is complete.
    let orphan = world.service(trusted, settings(&server));
    tokio::time::sleep(Duration::from_millis(1_500)).await; // longer than between two beats
    assert_eq!(orphan.status(&good).await, 503);
    assert_eq!(orphan.follower.age(), None);
    drop(orphan);

    let second = loop {
        // The file is free once the tasks of the first have ended.
        if FileStore::open(&path).is_ok() {
            break world.sts(open(), settings(&server));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let services = world.services(&second, &server);
    second.revoke(&after).await;
    until_all(&services, &good, 200).await;
    for service in &services {
        assert_eq!(service.status(&before).await, 401, "of the list that is complete");
    }
    until_all(&services, &after, 401).await;
    std::fs::remove_file(&path).expect("removed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_09_s14_12_a_network_that_is_cut_is_noticed_on_both_sides() {
    let (server, world) = (RedisServer::start(), World::new());
    let (to_issuer, to_services) = (Relay::to(&server.url()).await, Relay::to(&server.url()).await);
    let sts = world.sts(Arc::new(MemoryStore::new()), to_issuer.settings());
    let service = world.service(sts.issuer.trusted_for("orders"), to_services.settings());
    let (good, one, other) = (sts.token("ann"), sts.token("ann"), sts.token("ann"));
    service.until(&good, 200).await;
    for (relay, token) in [(&to_services, &one), (&to_issuer, &other)] {
        relay.cut();
        tokio::time::sleep(Duration::from_millis(50)).await; // what was on the way
        sts.revoke(token).await;
        world.clock.advance(MAX_AGE);
        service.until(&good, 503).await;
        assert_eq!(service.status(token).await, 503);
        relay.lead_to(&server.url());
        let back = service.until(token, 401).await;
        assert!(back <= AFTER_OUTAGE_WITHIN, "{back:?}");
        service.until(&good, 200).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_redis), ignore = "needs Redis: tests/peers/install")]
async fn s14_09_s14_12_a_server_that_hangs_confirms_nothing() {
    let (server, world) = (RedisServer::start(), World::new());
    let sts = world.sts(Arc::new(MemoryStore::new()), settings(&server));
    let service = world.service(sts.issuer.trusted_for("orders"), settings(&server));
    let (good, revoked) = (sts.token("ann"), sts.token("ann"));
    service.until(&good, 200).await;
    server.suspend();
    sts.revoke(&revoked).await;
    world.clock.advance(MAX_AGE);
    service.until(&good, 503).await;
    server.resume();
    let back = service.until(&revoked, 401).await;
    assert!(back <= AFTER_OUTAGE_WITHIN, "{back:?}");
    service.until(&good, 200).await;
    assert!(EVERYWHERE_WITHIN < MAX_AGE);
}
