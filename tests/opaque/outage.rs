//! An endpoint that is down.

use std::time::Duration;

use countersign_test::TestIssuer;

use crate::server::{Server, TOKEN, answer, asking, claims, got, json_answer, service};

#[tokio::test]
async fn s13_06_an_endpoint_that_is_down_is_503_and_a_cached_answer_serves_within_its_age() {
    let issuer = TestIssuer::new();
    let server = Server::saying(claims(&issuer)).await;
    let service = service(&issuer, asking(&issuer, &server));
    assert_eq!(got(&service, TOKEN).await.status, 200);
    server.answer_with(|_| answer(500, "text/plain", "down"));
    let other = TOKEN.to_lowercase();
    assert!(got(&service, &other).await.is_unavailable());
    let asked = server.asked();
    assert!(got(&service, &other).await.is_unavailable(), "it is not asked again at once");
    assert_eq!(server.asked(), asked);
    issuer.clock().advance(Duration::from_secs(59));
    assert_eq!(got(&service, TOKEN).await.status, 200, "within its age");
    issuer.clock().advance(Duration::from_secs(2));
    assert!(got(&service, TOKEN).await.is_unavailable(), "and not beyond");
    let said = claims(&issuer);
    server.answer_with(move |_| json_answer(&said));
    issuer.clock().advance(Duration::from_secs(2));
    assert_eq!(got(&service, TOKEN).await.status, 200);
    assert_eq!(got(&service, &other).await.status, 200);
}

#[tokio::test]
async fn s13_06_nothing_listens_or_answers_in_time() {
    let issuer = TestIssuer::new();
    let server = Server::saying(claims(&issuer)).await;
    let settings = asking(&issuer, &server).timeout(Duration::from_millis(100));
    let service = service(&issuer, settings.clone());
    server.close();
    assert!(got(&service, TOKEN).await.is_unavailable(), "no answer in time");
    drop(server);
    let service = crate::server::service(&issuer, settings);
    assert!(got(&service, TOKEN).await.is_unavailable(), "nothing listens");
}

#[tokio::test]
async fn s13_06_the_pause_that_the_endpoint_asks_for_is_kept_for_tokens_never_seen() {
    let issuer = TestIssuer::new();
    let said = claims(&issuer);
    let server = Server::saying(said.clone()).await;
    let service = service(&issuer, asking(&issuer, &server));
    assert_eq!(got(&service, TOKEN).await.status, 200);
    server.answer_with(|_| {
        let mut weary = answer(429, "text/plain", "");
        weary.headers_mut().insert("retry-after", "20".parse().expect("a number"));
        weary
    });
    issuer.clock().advance(Duration::from_secs(61));
    let new = TOKEN.to_lowercase();
    assert_eq!(got(&service, &new).await.headers["retry-after"], "20");
    server.answer_with(move |_| json_answer(&said));
    issuer.clock().advance(Duration::from_secs(2));
    assert!(got(&service, &TOKEN.to_uppercase()).await.is_unavailable());
    assert_eq!(got(&service, TOKEN).await.status, 200, "it was good before");
}

/// Its sender chooses a token, and with some endpoints the trouble that it causes.
#[tokio::test]
async fn s13_05_a_token_that_the_endpoint_cannot_answer_pauses_nobody_else() {
    let issuer = TestIssuer::new();
    let said = claims(&issuer);
    let troubles: [fn() -> http::Response<axum::body::Body>; 4] = [
        || answer(500, "text/plain", "trouble"),
        || answer(403, "text/html", "blocked"),
        || answer(200, "application/json", "{\"active\":true,\"active\":false}"),
        || answer(200, "application/json", " ".repeat(70 * 1024)),
    ];
    for trouble in troubles {
        let server = Server::saying(said.clone()).await;
        let service = service(&issuer, asking(&issuer, &server));
        server.answer_with(move |_| trouble());
        for number in 0..20 {
            assert!(got(&service, &format!("{TOKEN}{number}")).await.is_unavailable());
        }
        let said = said.clone();
        server.answer_with(move |_| json_answer(&said));
        assert_eq!(got(&service, TOKEN).await.status, 200, "never seen before");
    }
}
