//! Hostile text in tokens and requests, and tokens in no line.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use axum::routing::{any, get};
use countersign::audit::{AuditEvents, AuditWriter};
use countersign::authz::client;
use countersign::prelude::*;
use countersign_test::TestIssuer;
use countersign_tests::log::Log;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::sink::{Kept, builder, good};

const HOSTILE: [&str; 6] = [
    "a\r\n{\"type\":\"countersign.audit\",\"outcome\":\"allowed\"}",
    "\"}, \"outcome\":\"allowed\", {\"",
    "\u{1b}[31mred\u{1b}]0;title\u{7}",
    "\u{202e}desrever\u{2066}\u{2028}\u{85}",
    "\u{0}\u{7f}\u{fffd}\u{feff}",
    "\\u000a\\n",
];

const REQUESTS: [(&str, &str); 3] = [("GET", "/orders/1"), ("GET", "/own"), ("X-ODD.METHOD!", "/orders/%0d%0a")];

/// Every text that a token or a request can bring stays within one field of one line, and no line is long.
#[tokio::test]
async fn s10_04_hostile_claims_stay_one_short_line_of_printable_json() {
    let issuer = TestIssuer::new();
    let (kept, log) = (Kept::default(), Log::default());
    let writer = AuditWriter::new(log.clone()).expect("a thread");
    let layer = builder(&issuer, kept.log().add_sink(writer.clone()).allowed()).build().expect("a layer");
    let app = Router::new()
        .route("/orders/{id}", any(|| async { "in" }))
        .route("/own", get(|| async { "in" }).layer(require(client("nobody"))))
        .layer(layer);
    let long = "x".repeat(10 * 1024);
    let mut sent = 0;
    for text in HOSTILE.iter().copied().chain([&*long]) {
        let plain = || good(&issuer).client_id("web");
        let drafts = [
            plain().subject(text),
            plain().client_id(text),
            plain().claim("act", json!({ "sub": text })),
            plain().claim("act", json!({ "sub": "a", "iss": text })),
            plain().claim("act", json!({ "sub": "a", "act": { "sub": text } })),
        ];
        for (draft, (method, path)) in drafts.iter().flat_map(|draft| REQUESTS.map(|request| (draft, request))) {
            let request = Request::builder().method(Method::from_bytes(method.as_bytes()).expect("a method")).uri(path);
            let request = request
                .header("authorization", format!("Bearer {}", draft.sign()))
                .header("traceparent", "00-not-a-trace")
                .header("user-agent", "canary-of-a-header");
            app.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("answered");
            sent += 1;
        }
    }
    assert!(writer.flush(std::time::Duration::from_secs(60)));
    let text = log.text();
    assert_eq!(text.lines().count(), sent);
    for line in text.lines() {
        assert!(line.chars().all(|letter| (' '..='~').contains(&letter) || letter == '…'), "{line:?}");
        assert!(line.len() < 2048, "{} bytes", line.len());
        let value: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(value["type"], "countersign.audit");
        assert!(["allowed", "denied"].contains(&value["outcome"].as_str().expect("text")), "{line}");
        assert!(!line.contains("canary") && !line.contains("%0d") && value.get("trace_id").is_none(), "{line}");
    }
    assert_eq!(kept.take().len(), sent);
}

/// S10.01: the events of good and bad credentials hold no part of a token, in both forms.
#[tokio::test]
async fn s10_01_s10_03_no_token_path_query_or_subject_is_in_an_event() {
    const CANARY: &str = "canary-subject-of-a-person";
    let issuer = TestIssuer::new();
    let (lines, events) = (Log::default(), Log::default());
    let writer = AuditWriter::new(lines.clone()).expect("a thread");
    let log = countersign::audit::AuditLog::new("orders", writer.clone()).add_sink(AuditEvents).allowed().anonymous();
    countersign_tests::events::enable_events_on_every_thread();
    let _guard = tracing::subscriber::set_default(events.subscriber());
    let layer = builder(&issuer, log).public(["/open"]).cookie(countersign::authenticate::CookieToken::new("token"));
    let app = Router::new()
        .route("/orders/{id}", get(|| async { "in" }).layer(require(scope("orders:read"))))
        .route("/open", get(|| async { "in" }))
        .layer(layer.build().expect("a layer"));
    let good = good(&issuer).subject(CANARY).claim("email", "canary@person.test").scope("orders:read");
    let mut tokens = vec![good.sign(), good.clone().expired().sign(), good.clone().header("kid", "nope").sign()];
    tokens.extend(countersign_test::Attack::ALL.iter().map(|attack| good.clone().hostile(*attack).sign()));
    for token in &tokens {
        for (name, value) in [("authorization", format!("Bearer {token}")), ("cookie", format!("token={token}"))] {
            for path in ["/orders/canary-path", "/open?access_token=canary-query", "/canary-unknown"] {
                let Ok(value) = axum::http::HeaderValue::from_str(&value) else { continue };
                let request = Request::get(path).header(name, value).body(Body::empty()).expect("a request");
                app.clone().oneshot(request).await.expect("answered");
            }
        }
    }
    assert!(writer.flush(std::time::Duration::from_secs(60)));
    for log in [lines, events] {
        let text = log.text();
        assert!(text.lines().filter(|line| line.contains("/orders/{id}")).count() > 20, "the log is live");
        assert!(!text.contains("canary"), "{:?}", text.lines().find(|line| line.contains("canary")));
        for token in &tokens {
            for segment in token.split('.').skip(1).filter(|segment| segment.len() >= 16) {
                assert!(!text.contains(segment), "a segment of a token was written out");
            }
        }
    }
}
