//! The readiness route.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::error::ConfigError;
use countersign::health::Health;
use countersign::key::{KeyCell, KeyHealth, KeySource, KeySourceInfo, RefreshFuture, RefreshOutcome, RefreshReason};
use countersign::policy::NeedsAudience;
use countersign::verify::Verifier;
use countersign_test::TestIssuer;
use serde_json::{Value, json};
use tower::ServiceExt;

/// Keys that come with the first fetch, or never.
#[derive(Debug)]
struct Lazy {
    cell: KeyCell,
    keys: Option<Arc<dyn KeySource>>,
}

impl KeySource for Lazy {
    fn cell(&self) -> &KeyCell {
        &self.cell
    }

    fn refresh(&self, _: RefreshReason) -> RefreshFuture<'_> {
        Box::pin(async {
            let Some(set) = self.keys.as_ref().and_then(|keys| keys.cell().current()) else {
                return RefreshOutcome::Unavailable { retry_after: std::time::Duration::from_secs(1) };
            };
            self.cell.store(set, None);
            RefreshOutcome::Refreshed
        })
    }

    fn describe(&self) -> KeySourceInfo {
        KeySourceInfo::new(match self.cell.current() {
            Some(_) => KeyHealth::Ready,
            None => KeyHealth::NotReady { reason: "refused: 10.0.0.7:8443".into() },
        })
    }
}

fn app(trusted: impl IntoIterator<Item = (&'static str, Lazy)>) -> (Verifier, Router) {
    let trusted = trusted.into_iter().map(|(name, keys)| NeedsAudience::new(name, Arc::new(keys)).audience("orders"));
    let verifier = trusted.fold(Verifier::builder(), |builder, issuer| builder.trust(issuer)).build().expect("sound");
    let ready = Health::new(&verifier).route();
    let app = Router::new().route("/", get(|| async { "ok" })).layer(AuthenticateLayer::new(verifier.clone()));
    (verifier, app.route("/ready", ready))
}

async fn call(app: &Router, method: &str, path: &str) -> Response<Body> {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).expect("a request");
    app.clone().oneshot(request).await.expect("answered")
}

#[tokio::test]
async fn readiness_is_one_route_that_fetches_keys_and_tells_no_reasons() {
    let issuer = TestIssuer::new();
    let lazy = |has_keys: bool| Lazy {
        cell: KeyCell::new(),
        keys: has_keys.then(|| issuer.key_source() as Arc<dyn KeySource>),
    };
    let (verifier, app_with_keys) = app([("https://a.test", lazy(true)), ("https://b.test", lazy(true))]);
    let answer = call(&app_with_keys, "GET", "/ready").await;
    assert_eq!(answer.status(), 200, "the probe itself fetches the keys");
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let body: Value = serde_json::from_slice(&to_bytes(answer.into_body(), 4096).await.expect("short")).expect("JSON");
    let issuers = json!([
        { "issuer": "https://a.test", "keys": "ready" },
        { "issuer": "https://b.test", "keys": "ready" },
    ]);
    let policy = json!({ "fingerprint": verifier.fingerprint().to_string(), "is_latest": true });
    assert_eq!(body, json!({ "status": "ready", "policy": policy, "issuers": issuers }));
    assert_eq!(call(&app_with_keys, "HEAD", "/ready").await.status(), 200);
    assert_eq!(call(&app_with_keys, "POST", "/ready").await.status(), 405);
    assert_eq!(call(&app_with_keys, "GET", "/").await.status(), 401, "the other routes need a token");

    let (_, without) = app([("https://a.test", lazy(true)), ("https://b.test", lazy(false))]);
    let answer = call(&without, "GET", "/ready").await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"1".parse().expect("a value")));
    let body = to_bytes(answer.into_body(), 4096).await.expect("short");
    let text = String::from_utf8(body.to_vec()).expect("text");
    assert!(text.contains("\"status\":\"not_ready\"") && !text.contains("10.0.0.7"), "{text}");
}

/// A refused policy leaves the service ready, and the answer says that the policy is not the latest.
#[tokio::test]
async fn an_older_policy_is_ready_and_reported() -> Result<(), ConfigError> {
    let issuer = TestIssuer::new();
    let builder = Verifier::builder().trust(issuer.trusted_for("orders")).clock(issuer.clock().clone());
    let (verifier, replacer) = builder.build_replaceable()?;
    assert!(replacer.replace(Verifier::builder()).is_err());
    let answer = Health::new(&verifier).respond().await;
    assert_eq!(answer.status(), 200);
    let body: Value = serde_json::from_slice(answer.body()).expect("JSON");
    assert_eq!((&body["policy"]["is_latest"], &body["status"]), (&json!(false), &json!("ready")));
    Ok(())
}
