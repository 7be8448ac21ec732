//! The report as a route of the service.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use countersign::fleet::{FleetMember, FleetReport};
use countersign::prelude::*;
use countersign_test::TestIssuer;
use tower::ServiceExt;

async fn answer(app: &Router, path: &str, token: Option<&str>) -> (u16, String) {
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let answer = app.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("answered");
    let status = answer.status().as_u16();
    let body = to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
    (status, String::from_utf8(body.to_vec()).expect("text"))
}

#[tokio::test]
async fn s14_05_only_a_caller_whom_a_guard_lets_through_reads_the_report() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("orders");
    let member = FleetMember::new("orders", &verifier);
    let route = || member.route::<()>().layer(require(scope("fleet:read")));
    let app = Router::new().route("/fleet", route()).layer(AuthenticateLayer::new(verifier.clone()));
    let draft = || issuer.token().audience("orders").subject("operator");
    let reader = draft().scope("fleet:read").sign();

    assert_eq!(answer(&app, "/fleet", None).await.0, 401);
    assert_eq!(answer(&app, "/fleet", Some(&draft().scope("orders:read").sign())).await.0, 403);
    let (status, body) = answer(&app, "/fleet", Some(&reader)).await;
    let report = FleetReport::from_json(&body).expect("a report");
    assert_eq!((status, &*report.service, report.policy), (200, "orders", None));
    let (_, body) = answer(&app, "/fleet?policy", Some(&reader)).await;
    let report = FleetReport::from_json(&body).expect("a report");
    assert_eq!(report.policy, Some(verifier.canonical_policy()));

    let bare = Router::new().route("/fleet", member.route());
    assert_eq!(answer(&bare, "/fleet", None).await.0, 500, "no layer before it");
    let open = AuthenticateLayer::builder(verifier.clone()).public(["/fleet"]).build().expect("sound");
    let open = Router::new().route("/fleet", member.route()).layer(open);
    assert_eq!(answer(&open, "/fleet", None).await.0, 401, "public, and still not for anonymous callers");
}
