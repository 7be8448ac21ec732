//! What the log says of opaque tokens, and that it never has one.

use std::sync::{Arc, Mutex};

use countersign_test::TestIssuer;
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};

use crate::server::{Server, TOKEN, answer, asking, claims, got, json_answer, service};

/// Every field of every event and span, as text.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<String>>);

impl Visit for Recorder {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.lock().expect("not poisoned").push_str(&format!("{field}={value:?}\n"));
    }
}

impl tracing::Subscriber for Recorder {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut self.clone());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn s13_12_the_log_tells_the_kind_and_never_has_the_token_or_the_secret_of_the_client() {
    countersign_tests::events::enable_events_on_every_thread();
    let recorder = Recorder::default();
    let _guard = tracing::subscriber::set_default(recorder.clone());
    let issuer = TestIssuer::new();
    let server = Server::saying(claims(&issuer)).await;
    let service = service(&issuer, asking(&issuer, &server));
    assert_eq!(got(&service, TOKEN).await.status, 200);
    server.answer_with(|_| json_answer(&json!({"active": false})));
    assert_eq!(got(&service, &TOKEN.to_lowercase()).await.status, 401);
    let body = format!("no such token: {TOKEN}");
    server.answer_with(move |_| answer(400, "text/plain", body.clone()));
    assert!(got(&service, &TOKEN.to_uppercase()).await.is_unavailable());
    let log = recorder.0.lock().expect("not poisoned").clone();
    for expected in ["kind=\"opaque\"", "code=\"not_active\"", "introspection failed", "not verified: introspection"] {
        assert!(log.contains(expected), "{expected}: {log}");
    }
    let lower = log.to_lowercase();
    for secret in [TOKEN.to_lowercase().as_str(), "s3cret", "ymfzawm"] {
        assert!(!lower.contains(secret), "{secret}");
    }
}
