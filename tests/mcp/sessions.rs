//! Sessions and streams that belong to one caller and end with its token (S12.10).

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::routing::any;
use countersign::clock::{Clock, UnixTime};
use countersign::prelude::*;
use countersign_mcp::McpLayer;
use countersign_test::TestIssuer;
use http::{Request, Response};
use http_body_util::BodyExt;
use serde_json::json;
use tower::ServiceExt;

use crate::app::{App, RESOURCE, old_call, old_message, table, token};

const VERSION: (&str, &str) = ("mcp-protocol-version", "2025-11-25");

async fn open(app: &App, token: &str) -> String {
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    });
    let answer = app.send("POST", Some(token), &[], &old_message("initialize", &params)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let session = answer.session.expect("a session");
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let answer = app.send("POST", Some(token), &[VERSION, ("mcp-session-id", &session)], &initialized).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    session
}

#[tokio::test]
async fn s12_10_a_session_is_that_of_the_issuer_subject_and_client_who_opened_it() {
    let app = App::with(|builder| builder, |config| config).await;
    let ann = token(&app.issuer).scope("orders:read").sign();
    let session = open(&app, &ann).await;
    let call = |token: String, session: String| {
        let app = &app;
        async move { app.send("POST", Some(&token), &[VERSION, ("mcp-session-id", &session)], &old_call("harmless")).await }
    };
    assert_eq!(call(ann.clone(), session.clone()).await.status, 200);
    let renewed = token(&app.issuer).lifetime(Duration::from_secs(60)).sign();
    assert_eq!(call(renewed, session.clone()).await.status, 200, "another token of the same caller");
    assert_eq!(app.orders.ran().len(), 2);

    let base = || token(&app.issuer).scope("orders:read");
    for (who, other) in [
        ("another subject", base().subject("bob").sign()),
        ("another client", base().client_id("phone").sign()),
        ("no client", base().without_claim("client_id").sign()),
    ] {
        for method in ["POST", "GET", "DELETE"] {
            let headers = [VERSION, ("mcp-session-id", session.as_str())];
            let answer = app.send(method, Some(&other), &headers, &old_call("harmless")).await;
            assert_eq!(answer.status, 404, "{who} {method}: {}", answer.text);
        }
    }
    let (identifier, digest) = session.rsplit_once('.').expect("a digest");
    let forged = [
        identifier.to_owned(),
        format!("{identifier}."),
        format!("{identifier}.{}", "0".repeat(32)),
        format!("{identifier}.{}", digest.to_uppercase()),
        format!("{identifier}.{}", &digest[1..]),
        format!("x{session}"),
        format!("{session}.{digest}"),
    ];
    for session in forged.iter().filter(|forged| **forged != session) {
        assert_eq!(call(ann.clone(), session.clone()).await.status, 404, "{session}");
    }
    let twice = [VERSION, ("mcp-session-id", session.as_str()), ("mcp-session-id", session.as_str())];
    assert_eq!(app.send("POST", Some(&ann), &twice, &old_call("harmless")).await.status, 404);
    let events = [VERSION, ("last-event-id", "0")];
    assert_eq!(app.send("GET", Some(&ann), &events, &json!({})).await.status, 404, "events belong to a session");
    assert_eq!(app.orders.ran(), [""; 0]);

    let ended = app.send("DELETE", Some(&ann), &[VERSION, ("mcp-session-id", &session)], &json!({})).await;
    assert!(ended.status < 300, "{}", ended.status);
    assert_eq!(call(ann, session).await.status, 404, "it is over");
}

/// A clock that follows tokio's paused time.
#[derive(Debug)]
struct Paused(UnixTime, tokio::time::Instant);

impl Clock for Paused {
    fn now(&self) -> UnixTime {
        self.0.saturating_add(self.elapsed())
    }

    fn elapsed(&self) -> Duration {
        self.1.elapsed()
    }
}

#[tokio::test(start_paused = true)]
async fn s12_10_a_stream_of_events_ends_with_its_token() {
    let issuer = TestIssuer::new();
    let clock = Arc::new(Paused(issuer.clock().now(), tokio::time::Instant::now()));
    let verifier = Verifier::builder().trust(issuer.trusted_for(RESOURCE)).clock(clock as Arc<dyn Clock>).build();
    let server = any(|| async {
        let stream = futures_util::stream::unfold(0, |count: u32| async move {
            tokio::time::sleep(Duration::from_secs(10)).await;
            Some((Ok::<_, std::io::Error>(format!("data: {count}\n\n")), count + 1))
        });
        let response = Response::builder().header("content-type", "text/event-stream").body(Body::from_stream(stream));
        response.expect("a response")
    });
    let builder = McpLayer::with_verifier(RESOURCE, verifier.expect("a policy")).server_compares_headers_with_body();
    let router: axum::Router =
        table(builder).method("subscriptions/listen", scope("orders:read")).build().expect("a layer").router(server);
    let token = token(&issuer).scope("orders:read").lifetime(Duration::from_secs(65)).sign();
    let request = Request::post("/mcp")
        .header("authorization", format!("Bearer {token}"))
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "subscriptions/listen")
        .body(Body::empty())
        .expect("a request");
    let response = router.oneshot(request).await.expect("answered");
    assert_eq!(response.status(), 200);
    let text = response.into_body().collect().await.expect("an end without an error").to_bytes();
    let events = text.windows(6).filter(|part| part == b"data: ").count();
    assert_eq!(events, 6, "one event in ten seconds, and none after the token");
}
