//! Untrusted clients with invented tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign_test::TestIssuer;
use serde_json::json;

use crate::server::{Server, asking, claims, got, json_answer, layer, service_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(is_ci), ignore = "takes long; CI=true runs it")]
async fn s13_05_a_flood_of_invented_tokens_leaves_known_callers_served() {
    let issuer = TestIssuer::new();
    let said = claims(&issuer);
    let server = Server::start(move |seen| {
        let is_good = seen.member("token").is_some_and(|token| token.starts_with("good"));
        json_answer(&if is_good { said.clone() } else { json!({"active": false}) })
    })
    .await;
    let layer = layer(&issuer, asking(&issuer, &server).max_concurrent(16).timeout(Duration::from_secs(20)));
    let service = service_of(&layer);
    let good = |number: usize| format!("good-token-of-client-{number:0>4}");
    for number in 0..50 {
        assert_eq!(got(&service, &good(number)).await.status, 200);
    }
    let asked_before = server.asked();
    let statuses: Arc<[AtomicUsize; 3]> = Arc::default();
    let flood: Vec<_> = (0..10_000)
        .map(|number: usize| {
            let (service, statuses) = (service.clone(), Arc::clone(&statuses));
            tokio::spawn(async move {
                let got = got(&service, &format!("invented-token-{number:0>10}")).await;
                let place = match got.status.as_u16() {
                    401 => 0,
                    503 if got.is_unavailable() => 1,
                    _ => 2,
                };
                statuses[place].fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    for round in 0..3 {
        // Cached answers, then ended ones: these are asked about again, before invented tokens.
        for number in 0..50 {
            let got = got(&service, &good(number)).await;
            assert_eq!(got.status, 200, "round {round}, client {number}: {got:?}");
        }
        issuer.clock().advance(Duration::from_secs(61));
    }
    for request in flood {
        request.await.expect("no panic");
    }
    let [refused, unavailable, other] = &*statuses;
    let [refused, unavailable, other] = [refused, unavailable, other].map(|count| count.load(Ordering::Relaxed));
    assert_eq!((refused + unavailable, other), (10_000, 0));
    let stats = layer.introspection_stats().expect("introspection");
    assert!(stats.refused <= 10_000 && stats.waiting <= 1_024, "{stats:?}");
    assert!(server.asked() - asked_before >= 100, "{refused} {unavailable}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s13_05_invented_tokens_take_at_most_half_of_the_requests_and_known_callers_need_not_wait() {
    let issuer = TestIssuer::new();
    let said = claims(&issuer);
    let server = Server::saying(said.clone()).await;
    let settings = asking(&issuer, &server).max_concurrent(8).timeout(Duration::from_secs(20));
    let layer = layer(&issuer, settings);
    let service = service_of(&layer);
    assert_eq!(got(&service, "good-token-0123456789").await.status, 200);
    issuer.clock().advance(Duration::from_secs(61));
    server.close();
    let flood: Vec<_> = (0..100)
        .map(|number| {
            let service = service.clone();
            tokio::spawn(async move { got(&service, &format!("invented-token-{number:0>10}")).await.status })
        })
        .collect();
    crate::server::eventually("the first invented tokens", || server.asked() == 4).await;
    crate::server::eventually("all others wait", || {
        layer.introspection_stats().is_some_and(|stats| stats.waiting == 97)
    })
    .await;
    assert_eq!(server.asked(), 4, "1 before, and 3 of the 8 that may run");
    let known = tokio::spawn(async move { got(&service, "good-token-0123456789").await.status });
    crate::server::eventually("the known caller", || server.asked() == 5).await;
    server.open();
    assert_eq!(known.await.expect("no panic"), 200);
    for request in flood {
        assert_eq!(request.await.expect("no panic"), 200, "all are asked about in the end");
    }
}
