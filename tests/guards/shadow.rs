//! Shadow mode: it decides, counts and logs, and lets pass.

use axum::Router;
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::authz::ShadowStats;
use countersign::prelude::*;
use countersign_test::TestIssuer;
use countersign_tests::log::Log;
use tower::ServiceExt;
use tracing::instrument::WithSubscriber;

fn app(requirement: &Requirement, layer: AuthenticateLayer) -> Router {
    Router::new().route("/orders", get(|| async { "in" }).layer(require(requirement.clone()))).layer(layer)
}

async fn status(app: &Router, token: Option<&str>, log: &Log) -> u16 {
    let mut request = axum::http::Request::get("/orders");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(axum::body::Body::empty()).expect("a request");
    app.clone().oneshot(request).with_subscriber(log.subscriber()).await.expect("answered").status().as_u16()
}

fn counts(requirement: &Requirement) -> Vec<(String, u64, u64)> {
    let count = |(part, stats): (&Requirement, ShadowStats)| (part.to_string(), stats.met, stats.unmet);
    requirement.shadows().map(count).collect()
}

#[tokio::test]
async fn a_new_rule_in_shadow_mode_refuses_nobody_and_logs_whom_it_would() {
    let issuer = TestIssuer::new();
    let requirement = scope("read").and(role("clerk").shadowed());
    let app = app(&requirement, AuthenticateLayer::new(issuer.verifier_for("api")));
    let token = |scope: &str, role: &str| issuer.token().audience("api").tenant("acme").scope(scope).role(role).sign();
    let log = Log::default();
    assert_eq!(status(&app, Some(&token("read", "clerk")), &log).await, 200);
    assert_eq!(log.text(), "", "nothing to tell");
    assert_eq!(status(&app, Some(&token("read", "guest")), &log).await, 200);
    assert_eq!(status(&app, Some(&token("none", "guest")), &log).await, 403, "the rest is in force");
    assert_eq!(status(&app, None, &log).await, 401);
    assert_eq!(counts(&requirement), [("role clerk".to_owned(), 1, 1)], "the one refused anyway is no news");
    let shadow = log.lines("would be denied (shadow mode)");
    let [line] = &shadow[..] else { panic!("{}", log.text()) };
    assert!(line.contains("requirement=role clerk") && line.contains("tenant=\"acme\""), "{line}");
    assert!(line.contains("INFO countersign::guard"), "{line}");
}

#[tokio::test]
async fn a_whole_guard_in_shadow_mode_lets_allowed_anonymous_callers_pass() {
    let issuer = TestIssuer::new();
    let requirement = role("clerk").shadowed();
    let layer = AuthenticateLayer::builder(issuer.verifier_for("api")).allow_anonymous().build();
    let open = app(&requirement, layer.expect("a layer"));
    let log = Log::default();
    assert_eq!(status(&open, None, &log).await, 200);
    assert_eq!(counts(&requirement), [("role clerk".to_owned(), 0, 1)]);
    assert_eq!(log.lines("shadow mode").len(), 1, "{}", log.text());
    let closed = app(&requirement, AuthenticateLayer::new(issuer.verifier_for("api")));
    assert_eq!(status(&closed, None, &log).await, 401, "the layer is not in shadow mode");
    let bad = issuer.token().audience("api").expired().sign();
    assert_eq!(status(&open, Some(&bad), &log).await, 401);
    let without_layer = Router::new().route("/orders", get(|| async { "in" }).layer(require(requirement)));
    assert_eq!(status(&without_layer, None, &log).await, 500, "a mistake in the set-up stays one");
}

#[tokio::test]
async fn s5_26_shadowed_parts_never_open_a_route() {
    let issuer = TestIssuer::new();
    let token = issuer.token().audience("api").scope("other").role("clerk").sign();
    let log = Log::default();
    for requirement in [
        scope("read").or(role("clerk").shadowed()),
        role("clerk").shadowed().or(scope("read")),
        scope("read").and(role("clerk").shadowed().not()),
        scope("read").hidden().or(role("clerk").shadowed()),
    ] {
        let app = app(&requirement, AuthenticateLayer::new(issuer.verifier_for("api")));
        assert!(status(&app, Some(&token), &log).await >= 403, "{requirement}");
    }
}
