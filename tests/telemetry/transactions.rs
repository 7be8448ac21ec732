//! The transaction in every event of its requests, and in the request's span.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use countersign::authz::in_transaction;
use countersign::prelude::*;
use countersign_test::{BearerAuth, TestIssuer};
use tower::ServiceExt;
use tracing::Instrument;
use tracing::field::Empty;

use crate::recorder::Recorder;

const DOMAIN: &str = "shop.example";

fn app(issuer: &TestIssuer, requirement: Requirement) -> Router {
    let layer = AuthenticateLayer::builder(issuer.verifier_for("api"))
        .transaction_tokens(issuer.transaction_verifier_for(DOMAIN))
        .build();
    let route = get(|| async { "in" }).layer(require(requirement));
    Router::new().route("/", route).layer(layer.expect("a layer"))
}

async fn send(issuer: &TestIssuer, app: Router, transaction: &str) -> u16 {
    let request = issuer.token().audience("api").on(Request::get("/")).txn_token(transaction);
    let request = request.body(Body::empty()).expect("a request");
    app.oneshot(request).await.expect("answered").status().as_u16()
}

#[tokio::test]
async fn s10_11_the_transaction_is_in_every_event_of_its_requests_and_in_their_span() {
    let (recorder, _guard) = Recorder::begin();
    let issuer = TestIssuer::new();
    let token = issuer.transaction_token(DOMAIN, "orders").claim("txn", "t-1").sign();
    let span = tracing::info_span!(target: "countersign_request", "request", txn = Empty, tenant = Empty);
    let answer = send(&issuer, app(&issuer, in_transaction(scope("orders"))), &token).instrument(span).await;
    assert_eq!(answer, 200);
    let authenticated = recorder.take("countersign::authenticate");
    assert_eq!(authenticated.iter().map(|event| event.field("txn")).collect::<Vec<_>>(), ["t-1"]);
    let spans = recorder.take_spans();
    let of_request = spans.iter().find(|span| span.name == "request").expect("a span");
    assert_eq!(of_request.field("txn"), "t-1");

    let unmet = in_transaction(scope("admin")).and(role("a").shadowed()).or(scope("b").shadowed());
    assert_eq!(send(&issuer, app(&issuer, unmet), &token).await, 403);
    let unknown = tenant_in_path("t").and(in_transaction(scope("orders")));
    assert_eq!(send(&issuer, app(&issuer, unknown), &token).await, 403);
    let events = recorder.take("countersign::guard");
    for message in ["denied", "would be denied (shadow mode)", "cannot be evaluated, so it refuses"] {
        let mut events = events.iter().filter(|event| event.field("message") == message).peekable();
        assert!(events.peek().is_some(), "{message}");
        assert!(events.all(|event| event.field("txn") == "t-1"), "{message}");
    }
}

#[tokio::test]
async fn s10_01_a_refused_transaction_token_leaves_a_line_without_it() {
    let (recorder, _guard) = Recorder::begin();
    let issuer = TestIssuer::new();
    let token = issuer.transaction_token("bank.example", "orders").subject("ann@example.com").sign();
    assert_eq!(send(&issuer, app(&issuer, scope("x")), &token).await, 401);
    let events = recorder.all();
    let refused = events.iter().find(|event| event.field("message") == "refused transaction token").expect("logged");
    assert_eq!(refused.field("code"), "wrong_audience");
    let text = format!("{events:?}");
    assert!(token.split('.').all(|part| !text.contains(part)) && !text.contains("ann@example.com"), "{text}");
}
