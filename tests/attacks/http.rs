//! The same over HTTP: the status and challenge of each, and a handler that none of them reaches.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::routing::get;
use countersign::key::Algorithm;
use countersign::prelude::{AuthenticateLayer, Claims, require, scope};
use countersign_test::{Attack, TestIssuer};
use tower::ServiceExt;

fn app(issuer: &TestIssuer, reached: &Arc<AtomicUsize>) -> Router {
    let reached = Arc::clone(reached);
    let handler = move |claims: Claims| async move {
        reached.fetch_add(1, Ordering::Relaxed);
        claims.subject().to_owned()
    };
    Router::new()
        .route("/orders", get(handler).layer(require(scope("orders:read"))))
        .layer(AuthenticateLayer::new(issuer.verifier_for("orders")))
}

async fn answer(app: &Router, token: &str) -> (StatusCode, Option<String>) {
    let value = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes()).expect("a header value");
    let mut request = Request::get("/orders").body(Body::empty()).expect("a request");
    request.headers_mut().insert(header::AUTHORIZATION, value);
    let response = app.clone().oneshot(request).await.expect("an answer");
    let challenge = response.headers().get(header::WWW_AUTHENTICATE);
    (response.status(), challenge.map(|value| value.to_str().expect("text").to_owned()))
}

/// S5.03, S5.06: refused as bad tokens, never as 403 or 500; CVE-2022-29165 (anonymous after a bad token).
#[tokio::test]
async fn s5_03_s5_06_every_attack_is_answered_by_its_status_and_reaches_no_handler() {
    for algorithm in [Algorithm::ES256, Algorithm::RS256, Algorithm::Ed25519] {
        let issuer = TestIssuer::with_algorithm(algorithm);
        let reached = Arc::new(AtomicUsize::new(0));
        let app = app(&issuer, &reached);
        let honest = issuer.token().subject("ann").audience("orders").scope("orders:read");
        for attack in Attack::ALL {
            let forged = honest.clone().hostile(*attack).sign();
            let (status, challenge) = answer(&app, &forged).await;
            assert_eq!(status.as_u16(), attack.expected_status(), "{}", attack.name());
            let error = if status == StatusCode::BAD_REQUEST { "invalid_request" } else { "invalid_token" };
            let challenge = challenge.unwrap_or_else(|| panic!("{}: no challenge", attack.name()));
            assert!(challenge.contains(&format!("error=\"{error}\"")), "{}: {challenge}", attack.name());
        }
        assert_eq!(reached.load(Ordering::Relaxed), 0);
        assert_eq!(answer(&app, &honest.sign()).await, (StatusCode::OK, None));
        assert_eq!(reached.load(Ordering::Relaxed), 1);
    }
}
