//! Who is asking.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use countersign_core::secret::Secret;
use countersign_issuer::{Audience, Client, SecretHash};

use crate::service::{SECRET, Service, shop};

const CC: (&str, &str) = ("grant_type", "client_credentials");

#[tokio::test]
async fn s8_06_a_client_that_is_not_who_it_says_is_answered_401() {
    let service = Service::start().await;
    let basic = service.ask_with("orders", "wrong secret, long enough", &[CC]).await;
    assert_eq!(basic.error(), "invalid_client");
    assert!(basic.header("www-authenticate").expect("a challenge").starts_with("Basic "));
    let body = [CC, ("client_id", "orders"), ("client_secret", "wrong secret, long enough")];
    assert_eq!(service.send(service.post("/token").form(&body)).await.error(), "invalid_client");
    assert_eq!(service.send(service.post("/token").form(&[CC])).await.error(), "invalid_client");

    let right = [CC, ("client_id", "orders"), ("client_secret", SECRET)];
    assert_eq!(service.send(service.post("/token").form(&right)).await.status, StatusCode::OK);
    let both = service.post("/token").basic_auth("orders", Some(SECRET)).form(&right);
    assert_eq!(service.send(both).await.error(), "invalid_request");

    // The vector of S7.02, its secret doubled since ours are longer.
    let encoded = "a%3Ab:p%40ss+%25%2B%C3%BC+p%40ss+%25%2B%C3%BC";
    let header = format!("Basic {}", base64_simd::STANDARD.encode_to_string(encoded));
    let request = service.post("/token").header("authorization", header).form(&[CC]);
    assert_eq!(service.send(request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn s8_04_unknown_mistaken_and_locked_clients_look_the_same() {
    let service = Service::start().await;
    let mut seen = Vec::new();
    let mut times = Vec::new();
    for (client, secret) in [("orders", "wrong secret, long enough"), ("nobody", SECRET), ("locked", SECRET)] {
        let start = Instant::now();
        let answer = service.ask_with(client, secret, &[CC]).await;
        times.push((client, start.elapsed()));
        let mut headers = answer.headers.clone();
        headers.remove("date");
        seen.push((answer.status, headers, answer.text));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
    assert_eq!(seen[0].0, StatusCode::UNAUTHORIZED);
    println!("reported, not asserted: {times:?}");
}

#[tokio::test]
async fn s8_02_a_secret_under_a_pepper_lets_its_client_in() {
    let pepper = || Secret::new(vec![9; 32]);
    let (secret, stored) = SecretHash::generate_keyed(&pepper()).expect("randomness");
    let (other, _) = SecretHash::generate_keyed(&pepper()).expect("randomness");
    let service = Service::with(|builder| {
        builder
            .pepper(pepper())
            .audience(Audience::new("billing"))
            .client(Client::new("orders").secret(stored).secret(Secret::from(SECRET)).audiences(["billing"]))
    })
    .await;
    assert_eq!(service.ask_with("orders", secret.expose(), &[CC]).await.status, StatusCode::OK);
    assert_eq!(service.ask_with("orders", SECRET, &[CC]).await.status, StatusCode::OK, "the older one, meanwhile");
    assert_eq!(service.ask_with("orders", other.expose(), &[CC]).await.error(), "invalid_client");
    assert_eq!(service.ask_with("nobody", secret.expose(), &[CC]).await.error(), "invalid_client");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s8_05_hashing_is_bounded_and_leaves_the_workers_free() {
    let service = std::sync::Arc::new(Service::with(|builder| shop(builder).secret_checks_at_once(1)).await);
    let logins: Vec<_> = (0..200)
        .map(|n| {
            let service = std::sync::Arc::clone(&service);
            // Each its own name: the answers are for strangers, and no throttle of one name hides the queue.
            tokio::spawn(async move { service.ask_with(&format!("nobody-{n}"), SECRET, &[CC]).await })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let start = Instant::now();
        assert_eq!(service.get("/jwks").await.status, StatusCode::OK);
        slowest = slowest.max(start.elapsed());
    }
    println!("slowest look at the keys meanwhile: {slowest:?}");
    assert!(slowest < Duration::from_secs(2), "the key set waits for nobody's hash: {slowest:?}");
    let mut sent_away = 0;
    for login in logins {
        let answer = login.await.expect("no panic");
        if answer.status == StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!(answer.header("retry-after"), Some("1"));
            sent_away += 1;
        } else {
            assert_ne!(answer.status, StatusCode::OK);
        }
    }
    assert!(sent_away > 0, "one at once and 64 waiting, of 200");
    assert_eq!(service.ask("orders", &[CC]).await.status, StatusCode::OK, "and afterwards all is well");
}

#[tokio::test]
async fn a_remembered_secret_is_forgotten_in_time_and_helps_nobody_else() {
    let service = Service::start().await;
    for _ in 0..2 {
        assert_eq!(service.ask("orders", &[CC]).await.status, StatusCode::OK);
        assert_eq!(service.ask("locked", &[CC]).await.error(), "invalid_client", "the same secret, another client");
        assert_eq!(service.ask_with("orders", "quaint-heron-lifts-48", &[CC]).await.error(), "invalid_client");
        service.clock.advance(Duration::from_secs(301));
    }
}
