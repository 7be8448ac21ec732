//! Orders of layers: right ones work, wrong ones fail closed and log the fix.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::prelude::*;
use countersign_test::TestIssuer;
use countersign_tests::log::Log;
use tower::ServiceExt;
use tracing::instrument::WithSubscriber;

fn layer(issuer: &TestIssuer) -> AuthenticateLayer {
    AuthenticateLayer::new(issuer.verifier_for("api"))
}

async fn status(app: Router, token: Option<&str>) -> StatusCode {
    let mut request = Request::builder().uri("/orders");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    app.oneshot(request.body(Body::empty()).expect("a request")).await.expect("answered").status()
}

async fn claims(claims: Claims) -> String {
    claims.subject().to_owned()
}

#[tokio::test]
async fn s5_24_without_the_layer_guard_and_extractors_answer_500_and_say_how_to_mend_it() {
    let issuer = TestIssuer::new();
    let token = issuer.token().audience("api").scope("read").tenant("acme").sign();
    let apps = [
        ("guard", Router::new().route("/orders", get(|| async { "in" }).layer(require(scope("read"))))),
        ("claims", Router::new().route("/orders", get(claims))),
        ("optional claims", Router::new().route("/orders", get(|_: Option<Claims>| async { "in" }))),
        ("tenant", Router::new().route("/orders", get(|_: Tenant| async { "in" }))),
    ];
    for (name, app) in apps {
        let log = Log::default();
        let answer = status(app.clone(), Some(&token)).with_subscriber(log.subscriber()).await;
        assert_eq!(answer, StatusCode::INTERNAL_SERVER_ERROR, "{name}");
        let log = log.text();
        assert!(log.contains("ERROR countersign::guard") && log.contains("path=\"/orders\""), "{name}: {log}");
        assert!(log.contains("add .layer(AuthenticateLayer::new(verifier))"), "{name}: {log}");
        assert!(!log.contains(&token));
        assert_eq!(status(app.layer(layer(&issuer)), Some(&token)).await, StatusCode::OK, "{name}, repaired");
    }
}

#[tokio::test]
async fn a_guard_outside_the_layer_fails_closed() {
    let issuer = TestIssuer::new();
    let token = issuer.token().audience("api").scope("read").sign();
    let wrong = Router::new().route("/orders", get(claims)).layer(layer(&issuer)).layer(require(scope("read")));
    assert_eq!(status(wrong, Some(&token)).await, StatusCode::INTERNAL_SERVER_ERROR);
    let right = Router::new().route("/orders", get(claims)).layer(require(scope("read"))).layer(layer(&issuer));
    assert_eq!(status(right.clone(), Some(&token)).await, StatusCode::OK);
    assert_eq!(status(right, None).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_route_added_after_the_layer_is_not_served_to_anyone() {
    let issuer = TestIssuer::new();
    let token = issuer.token().audience("api").scope("read").sign();
    let late = Router::new()
        .route("/other", get(claims))
        .layer(layer(&issuer))
        .route("/orders", get(claims).layer(require(scope("read"))));
    assert_eq!(status(late, Some(&token)).await, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn s5_26_guards_stack_in_any_order_and_all_must_be_met() {
    let issuer = TestIssuer::new();
    let both = issuer.token().audience("api").scope("read").role("clerk").sign();
    let one = issuer.token().audience("api").scope("read").sign();
    let route = || get(claims);
    let apps = [
        Router::new().route("/orders", route().route_layer(require(scope("read"))).route_layer(require(role("clerk")))),
        Router::new().route("/orders", route().route_layer(require(role("clerk"))).route_layer(require(scope("read")))),
        Router::new().route("/orders", route().route_layer(require(role("clerk")))).route_layer(require(scope("read"))),
        Router::new().route("/orders", route()).layer(require(scope("read").and(role("clerk")))),
    ];
    for app in apps {
        let app = app.layer(layer(&issuer));
        assert_eq!(status(app.clone(), Some(&both)).await, StatusCode::OK);
        assert_eq!(status(app.clone(), Some(&one)).await, StatusCode::FORBIDDEN);
        assert_eq!(status(app, None).await, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn s5_26_an_anonymous_caller_meets_no_guard() {
    let issuer = TestIssuer::new();
    let builder = || AuthenticateLayer::builder(issuer.verifier_for("api"));
    for builder in [builder().allow_anonymous(), builder().public(["/orders"])] {
        let layer = builder.build().expect("a layer");
        for requirement in [scope("read"), scope("read").not(), role("banned").not()] {
            let app = Router::new().route("/orders", get(|| async { "in" }).layer(require(requirement)));
            assert_eq!(status(app.layer(layer.clone()), None).await, StatusCode::UNAUTHORIZED);
        }
        let open = Router::new().route("/orders", get(|| async { "in" })).layer(layer);
        assert_eq!(status(open, None).await, StatusCode::OK);
    }
}
