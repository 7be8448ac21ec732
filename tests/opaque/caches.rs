//! The caches, and one question for all that wait.

use std::time::Duration;

use countersign::clock::Clock;
use countersign_test::TestIssuer;
use serde_json::json;

use crate::server::{Server, TOKEN, asking, claims, eventually, got, json_answer, layer, service, service_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s13_04_ten_thousand_requests_with_one_token_ask_once() {
    let issuer = TestIssuer::new();
    let server = Server::saying(claims(&issuer)).await;
    let service = service(&issuer, asking(&issuer, &server).timeout(Duration::from_secs(30)));
    server.close();
    let requests: Vec<_> = (0..10_000)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move { got(&service, TOKEN).await.status })
        })
        .collect();
    eventually("the request", || server.asked() == 1).await;
    server.open();
    for request in requests {
        assert_eq!(request.await.expect("no panic"), 200);
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn s13_04_an_active_answer_is_used_for_a_minute_and_not_beyond_exp() {
    let issuer = TestIssuer::new();
    let server = Server::saying(claims(&issuer)).await;
    let service = service(&issuer, asking(&issuer, &server));
    for (age, asked) in [(0, 1), (44, 1), (17, 2)] {
        issuer.clock().advance(Duration::from_secs(age));
        assert_eq!(got(&service, TOKEN).await.status, 200);
        assert_eq!(server.asked(), asked, "after {age} s");
    }
    let mut short = claims(&issuer);
    short["exp"] = json!(issuer.clock().now().as_secs() + 20);
    server.answer_with(move |_| json_answer(&short));
    let other = TOKEN.to_lowercase();
    assert_eq!(got(&service, &other).await.status, 200);
    issuer.clock().advance(Duration::from_secs(20));
    assert_eq!(got(&service, &other).await.status, 200, "within the leeway, and asked again");
    assert_eq!(server.asked(), 4);
    issuer.clock().advance(Duration::from_secs(31));
    assert_eq!(got(&service, &other).await.status, 401);
    assert_eq!(server.asked(), 5);
}

#[tokio::test]
async fn s13_04_an_answer_in_use_is_renewed_before_it_ends() {
    let issuer = TestIssuer::new();
    let server = Server::saying(claims(&issuer)).await;
    let layer = layer(&issuer, asking(&issuer, &server));
    let service = service_of(&layer);
    assert_eq!(got(&service, TOKEN).await.status, 200);
    issuer.clock().advance(Duration::from_secs(50));
    server.close();
    assert_eq!(got(&service, TOKEN).await.status, 200, "nobody waits for the renewal");
    assert_eq!(got(&service, TOKEN).await.status, 200);
    eventually("the renewal", || server.asked() == 2).await;
    server.answer_with(|_| json_answer(&json!({"active": false})));
    server.open();
    eventually("its answer", || layer.introspection_stats().is_some_and(|stats| stats.active == 0)).await;
    assert_eq!(got(&service, TOKEN).await.status, 401, "it was revoked");
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn s13_04_an_inactive_answer_is_used_for_ten_seconds() {
    let issuer = TestIssuer::new();
    let server = Server::saying(json!({"active": false})).await;
    let service = service(&issuer, asking(&issuer, &server));
    for _ in 0..3 {
        assert_eq!(got(&service, TOKEN).await.status, 401);
    }
    assert_eq!(server.asked(), 1);
    let said = claims(&issuer);
    server.answer_with(move |_| json_answer(&said));
    issuer.clock().advance(Duration::from_millis(9_900));
    assert_eq!(got(&service, TOKEN).await.status, 401);
    issuer.clock().advance(Duration::from_millis(200));
    assert_eq!(got(&service, TOKEN).await.status, 200);
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
#[cfg_attr(not(is_ci), ignore = "takes long; CI=true runs it")]
async fn s13_04_the_caches_are_bounded() {
    let issuer = TestIssuer::new();
    let said = claims(&issuer);
    let server = Server::start(move |seen| {
        let is_good = seen.member("token").is_some_and(|token| token.starts_with("good"));
        json_answer(&if is_good { said.clone() } else { json!({"active": false}) })
    })
    .await;
    let layer = layer(&issuer, asking(&issuer, &server).cache_bytes(64 * 1024));
    let service = service_of(&layer);
    for number in 0..300 {
        assert_eq!(got(&service, &format!("good-{number:0>20}")).await.status, 200);
        assert_eq!(got(&service, &format!("bad-{number:0>20}")).await.status, 401);
    }
    let stats = layer.introspection_stats().expect("introspection");
    assert!((1..100).contains(&stats.active), "{stats:?}");
    assert!((1..100).contains(&stats.refused), "{stats:?}");
}
