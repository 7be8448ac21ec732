//! When a service pulls, and what that costs its source.

use std::time::{Duration, Instant};

use axum::http::{StatusCode, header};
use countersign::reload::PolicyBundle;

use crate::world::{Answer, Host, World, code};

#[tokio::test]
async fn s14_02_an_unchanged_bundle_is_not_sent_again() {
    let world = World::new("etag");
    let host = Host::start(Answer::of(world.bundle(1, "orders")).header(header::ETAG, "\"1\"")).await;
    let service = world.service_of(&host).build().await.expect("a bundle");
    for _ in 0..3 {
        assert_eq!(service.pull().await, Ok(false));
    }
    assert_eq!(host.counts(), (4, 3));
    // The validator of a document that was refused is not kept: it may be good later.
    host.answer(Answer::of("nonsense").header(header::ETAG, "\"2\""));
    for _ in 0..2 {
        assert!(service.pull().await.is_err());
    }
    assert_eq!(host.counts(), (6, 3));
    host.answer(Answer::of(world.bundle(2, "billing")).header(header::ETAG, "\"3\""));
    assert_eq!((service.pull().await, service.pull().await), (Ok(true), Ok(false)));
    assert_eq!(host.counts(), (8, 4));
    assert_eq!(code(service.verifier(), &world.issuer.token().audience("billing")).await, "accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s14_02_hints_cause_at_most_one_pull_a_second() {
    let world = World::new("hints");
    let host = Host::start(Answer::of(world.bundle(1, "orders"))).await;
    let service = world.service_of(&host).build().await.expect("a bundle");
    host.answer(Answer::of(world.bundle(2, "billing")));
    let start = Instant::now();
    let mut hints = 0;
    while host.counts().0 < 4 {
        service.hint();
        hints += 1;
        tokio::task::yield_now().await;
        assert!(start.elapsed() < Duration::from_secs(60), "no pull after hints");
    }
    let took = start.elapsed();
    assert!(took > Duration::from_millis(2900), "three pulls after the first within {took:?}, {hints} hints");
    assert!(hints > 1000, "{hints}");
    assert_eq!(service.revision(), 2, "long before the interval is over");
    // A hint that nobody waits for is kept, and only one.
    service.hint();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!((5..=6).contains(&host.counts().0), "{:?}", host.counts());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s14_02_no_hint_shortens_the_pause_that_the_server_asks_for() {
    let world = World::new("retry-after");
    let host = Host::start(Answer::of(world.bundle(1, "orders"))).await;
    let service = world.service_of(&host).build().await.expect("a bundle");
    let busy = Answer::status(StatusCode::SERVICE_UNAVAILABLE).header(header::RETRY_AFTER, "3");
    host.answer(busy);
    service.hint();
    while host.counts().0 < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    host.answer(Answer::of(world.bundle(2, "billing")));
    let asked = Instant::now();
    while service.revision() != 2 {
        service.hint();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = asked.elapsed();
    assert!(took > Duration::from_millis(2900) && took < Duration::from_secs(30), "{took:?}");
    assert_eq!(host.counts().0, 3);
}

#[tokio::test]
async fn s14_02_a_file_is_followed_in_the_background() {
    let world = World::new("file");
    world.write("policy.jws", &world.bundle(1, "orders"));
    let settings = world.service(PolicyBundle::from_file(world.file("policy.jws"), world.pins()));
    let service = settings.interval(Duration::from_millis(10)).build().await.expect("a bundle");
    let verifier = service.verifier().clone();
    drop(service); // the verifier alone is enough
    world.write("policy.jws", &world.bundle(2, "billing"));
    while code(&verifier, &world.issuer.token().audience("billing")).await != "accepted" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    std::fs::write(world.file("policy.jws"), "cut").expect("written");
    while verifier.policy_error().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(code(&verifier, &world.issuer.token().audience("billing")).await, "accepted");
}

#[tokio::test]
async fn s14_05_the_report_states_what_is_in_force() {
    let world = World::new("report");
    let weak = World::policy("orders", "danger_any_type = true");
    let host = Host::start(Answer::of(world.draft(3, weak).sign(&world.signer).expect("signed"))).await;
    let service = world.service_of(&host).build().await.expect("a bundle");
    let report = service.report();
    assert_eq!((report.revision, &*report.fleet), (3, crate::world::FLEET));
    assert_eq!(report.expires_at - report.created_at, 30 * 86_400);
    assert!(report.pulled_at.is_some() && !report.is_expired);
    assert!(report.source.ends_with("/production.jws"), "{}", report.source);
    world.issuer.clock().advance(Duration::from_secs(60));
    host.answer(Answer::of(world.bundle(4, "orders")));
    assert_eq!(service.pull().await, Ok(true));
    let next = service.report();
    assert_eq!((next.revision, next.since - report.since), (4, 60));
    assert_eq!(next.since, service.verifier().policy_since().as_secs());
}
