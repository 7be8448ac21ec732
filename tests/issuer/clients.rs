//! Authentication of clients by secret.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use countersign_core::secret::Secret;
use countersign_issuer::{Audience, Client, SecretHash};

use crate::service::{SECRET, Service, shop};

const CC: (&str, &str) = ("grant_type", "client_credentials");

#[tokio::test]
async fn s8_06_a_client_with_a_wrong_credential_is_answered_401() {
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

    // The vector of S7.02, with its secret repeated, because a secret here has at least 16 bytes.
    let encoded = "a%3Ab:p%40ss+%25%2B%C3%BC+p%40ss+%25%2B%C3%BC";
    let header = format!("Basic {}", base64_simd::STANDARD.encode_to_string(encoded));
    let request = service.post("/token").header("authorization", header).form(&[CC]);
    assert_eq!(service.send(request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn s8_04_unknown_wrong_and_locked_clients_get_the_same_answer() {
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
async fn s8_02_a_keyed_secret_authenticates_its_client() {
    let pepper = || Secret::new(vec![9; 32]);
    let (secret, stored) = SecretHash::generate_keyed(&pepper()).expect("randomness");
    let (other, _) = SecretHash::generate_keyed(&pepper()).expect("randomness");
    let service = Service::with(|builder| {
        builder
            .pepper(pepper())
            .add_audience(Audience::new("billing"))
            .add_client(Client::new("orders").secret(stored).add_secret(Secret::from(SECRET)).audiences(["billing"]))
    })
    .await;
    assert_eq!(service.ask_with("orders", secret.expose(), &[CC]).await.status, StatusCode::OK);
    assert_eq!(service.ask_with("orders", SECRET, &[CC]).await.status, StatusCode::OK, "the older secret, meanwhile");
    assert_eq!(service.ask_with("orders", other.expose(), &[CC]).await.error(), "invalid_client");
    assert_eq!(service.ask_with("nobody", secret.expose(), &[CC]).await.error(), "invalid_client");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s8_05_hashing_is_bounded_and_leaves_the_workers_free() {
    let service = std::sync::Arc::new(Service::with(|builder| shop(builder).concurrent_secret_checks(1)).await);
    let logins: Vec<_> = (0..200)
        .map(|n| {
            let service = std::sync::Arc::clone(&service);
            // A different unknown client each time, so that the throttle of one client does not hide the queue.
            tokio::spawn(async move { service.ask_with(&format!("nobody-{n}"), SECRET, &[CC]).await })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let start = Instant::now();
        assert_eq!(service.get("/jwks").await.status, StatusCode::OK);
        slowest = slowest.max(start.elapsed());
    }
    println!("slowest request for the key set meanwhile: {slowest:?}");
    assert!(slowest < Duration::from_secs(2), "the key set does not wait for hashes: {slowest:?}");
    let mut refused = 0;
    for login in logins {
        let answer = login.await.expect("no panic");
        if answer.status == StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!(answer.header("retry-after"), Some("1"));
            refused += 1;
        } else {
            assert_ne!(answer.status, StatusCode::OK);
        }
    }
    assert!(refused > 0, "one check runs and 64 requests wait, of 200");
    assert_eq!(service.ask("orders", &[CC]).await.status, StatusCode::OK, "afterwards requests are served");
}

#[tokio::test]
async fn a_cached_secret_expires_and_authenticates_no_other_client() {
    let service = Service::start().await;
    for _ in 0..2 {
        assert_eq!(service.ask("orders", &[CC]).await.status, StatusCode::OK);
        assert_eq!(service.ask("locked", &[CC]).await.error(), "invalid_client", "the same secret, another client");
        assert_eq!(service.ask_with("orders", "quaint-heron-lifts-48", &[CC]).await.error(), "invalid_client");
        service.clock.advance(Duration::from_secs(301));
    }
}
