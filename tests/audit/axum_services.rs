//! Each kind of outcome behind axum, at layer, guard, extractor and handler.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::{get, post};
use countersign::app::{Access, Routes, protect};
use countersign::audit::AuditLog;
use countersign::authz::{Requirement, actor};
use countersign::extract::{Authorized, Rejection};
use countersign::prelude::*;
use countersign_test::TestIssuer;
use serde_json::{Value, json};
use tower::{Service, ServiceExt};

use crate::sink::{Kept, builder, good, layer, pseudonyms};

countersign::requirement! {
    /// Only for admins.
    Admin = role("admin");
}

#[derive(serde::Deserialize)]
struct Plan {
    #[allow(dead_code, reason = "only its absence matters")]
    plan: String,
}

async fn owned(claims: Claims) -> Result<&'static str, Rejection> {
    claims.require(&role("owner"))?;
    Ok("in")
}

async fn lenient(claims: Claims) -> &'static str {
    if claims.require(&role("owner")).is_ok() { "all" } else { "some" }
}

fn router() -> Router {
    Router::new()
        .route("/orders/{id}", get(|| async { "in" }).layer(require(scope("orders:read"))))
        .route(
            "/both/{id}",
            get(|| async { "in" })
                .layer::<_, std::convert::Infallible>(require(role("clerk")))
                .layer(require(scope("orders:read"))),
        )
        .route("/shadow", get(|| async { "in" }).layer(require(role("admin").shadowed())))
        .route("/open", get(|| async { "in" }))
        .route("/catalog", get(|claims: Option<Claims>| async move { claims.is_some().to_string() }))
        .route("/needs", get(|_: Claims| async { "in" }))
        .route("/typed", get(|_: Claims<Plan>| async { "in" }))
        .route("/tenant", get(|_: Tenant| async { "in" }))
        .route("/admin", post(|_: Authorized<Admin>| async { "in" }))
        .route("/owned", get(owned))
        .route("/lenient", get(lenient))
        .route("/forbidden", get(|claims: Claims| async move { claims.forbidden() }))
        .route("/missing", get(|claims: Claims| async move { claims.not_found() }))
        .route(
            "/fresh",
            get(|| async { "in" }).layer(require(authenticated_within(std::time::Duration::from_secs(60)))),
        )
        .route("/broken", get(|| async { axum::http::StatusCode::INTERNAL_SERVER_ERROR }))
}

async fn send<S>(app: &S, line: &str, headers: &[(&str, &str)]) -> u16
where
    S: Service<Request<Body>, Response = axum::response::Response, Error = std::convert::Infallible> + Clone,
{
    let (method, path) = line.split_once(' ').expect("a method and a path");
    let request = Request::builder().method(method).uri(path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let answer = app.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("answered");
    answer.status().as_u16()
}

/// The line without the parts that every line has.
fn own(mut line: Value, issuer: &TestIssuer) -> Value {
    let map = line.as_object_mut().expect("an object");
    assert_eq!(map.remove("type"), Some("countersign.audit".into()));
    assert_eq!(map.remove("service"), Some("orders".into()));
    assert_eq!(map.remove("service_client"), Some("orders-client".into()));
    assert_eq!(map.remove("policy"), Some(issuer.verifier_for("api").fingerprint().to_string().into()));
    assert_eq!(map.remove("duration_us"), Some(0.into()), "the clock of the layer stands still");
    let time = map.remove("time").expect("a time");
    assert_eq!(time.as_str().expect("text").len(), "2026-11-30T09:46:58.000001Z".len());
    line
}

fn caller(issuer: &TestIssuer) -> Value {
    json!({
        "issuer": issuer.name(), "subject": pseudonyms().pseudonym(issuer.name(), "ann"), "client": "web",
        "credential": "signed", "binding": "none",
    })
}

fn with(mut base: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("an object") };
    base.as_object_mut().expect("an object").extend(more);
    base
}

#[tokio::test]
async fn each_outcome_gives_exactly_one_event_with_exactly_these_fields() {
    let issuer = TestIssuer::new();
    let kept = Kept::default();
    let layer = builder(&issuer, kept.log().allowed()).public(["/open"]).optional(["/catalog", "/needs"]);
    let app = router().layer(layer.build().expect("a layer"));
    let clerk = format!("Bearer {}", good(&issuer).scope("orders:read").role("clerk").sign());
    let poor = format!("Bearer {}", good(&issuer).sign());
    let expired = format!("Bearer {}", good(&issuer).expired().sign());
    let who = || caller(&issuer);
    let nobody = || json!({});
    let allowed = |method: &str, route: &str| json!({ "outcome": "allowed", "code": "ok", "status": 200, "method": method, "route": route });
    let not = |outcome: &str, code: &str, status: u16, method: &str, route: &str| json!({ "outcome": outcome, "code": code, "status": status, "method": method, "route": route });
    let rule = |requirement: &str| json!({ "requirement": requirement, "unmet": requirement });
    let cases: Vec<(&str, Option<&str>, Value)> = vec![
        (
            "GET /orders/17",
            Some(&clerk),
            with(with(allowed("GET", "/orders/{id}"), who()), json!({ "requirement": "scope orders:read" })),
        ),
        (
            "GET /both/17",
            Some(&clerk),
            with(
                with(allowed("GET", "/both/{id}"), who()),
                json!({ "requirement": "scope orders:read and role clerk" }),
            ),
        ),
        (
            "GET /shadow",
            Some(&clerk),
            with(
                with(allowed("GET", "/shadow"), who()),
                json!({ "requirement": "shadow (role admin)", "would_deny": "role admin" }),
            ),
        ),
        ("GET /catalog", Some(&clerk), with(allowed("GET", "/catalog"), who())),
        ("GET /lenient", Some(&clerk), with(allowed("GET", "/lenient"), who())),
        ("GET /broken", Some(&clerk), with(with(allowed("GET", "/broken"), who()), json!({ "status": 500 }))),
        (
            "GET /orders/17",
            Some(&poor),
            with(
                with(not("denied", "insufficient_scope", 403, "GET", "/orders/{id}"), who()),
                rule("scope orders:read"),
            ),
        ),
        (
            "GET /fresh",
            Some(&poor),
            with(
                with(not("denied", "insufficient_user_authentication", 401, "GET", "/fresh"), who()),
                rule("authenticated within 60 s"),
            ),
        ),
        (
            "POST /admin",
            Some(&poor),
            with(with(not("denied", "forbidden", 403, "POST", "/admin"), who()), rule("role admin")),
        ),
        (
            "GET /owned",
            Some(&poor),
            with(with(not("denied", "forbidden", 403, "GET", "/owned"), who()), rule("role owner")),
        ),
        (
            "GET /typed",
            Some(&poor),
            with(
                with(not("denied", "claims_schema", 403, "GET", "/typed"), who()),
                json!({ "requirement": "claims of the expected type" }),
            ),
        ),
        (
            "GET /tenant",
            Some(&poor),
            with(with(not("denied", "forbidden", 403, "GET", "/tenant"), who()), json!({ "requirement": "a tenant" })),
        ),
        (
            "GET /forbidden",
            Some(&poor),
            with(
                with(not("denied", "forbidden", 403, "GET", "/forbidden"), who()),
                json!({ "requirement": "a rule of the handler" }),
            ),
        ),
        (
            "GET /missing",
            Some(&poor),
            with(
                with(not("denied", "not_found", 404, "GET", "/missing"), who()),
                json!({ "requirement": "a rule of the handler" }),
            ),
        ),
        ("GET /orders/17", None, with(not("refused", "no_token", 401, "GET", "/orders/{id}"), nobody())),
        ("GET /orders/17", Some(&expired), not("refused", "expired", 401, "GET", "/orders/{id}")),
        ("GET /orders/17", Some("Bearer a b"), not("refused", "invalid_request", 400, "GET", "/orders/{id}")),
        ("GET /catalog", Some(&expired), not("refused", "expired", 401, "GET", "/catalog")),
        ("GET /needs", None, not("refused", "no_token", 401, "GET", "/needs")),
        (
            "GET /unknown/path?query=1",
            None,
            json!({ "outcome": "refused", "code": "no_token", "status": 401, "method": "GET" }),
        ),
    ];
    for (line, authorization, expected) in cases {
        let headers: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().collect();
        let status = send(&app, line, &headers).await;
        let event = own(kept.line(), &issuer);
        assert_eq!(event, expected, "{line} {authorization:?}");
        assert_eq!(event["status"], status, "{line}");
    }
    // Anonymous callers of open routes are recorded only if asked for.
    assert_eq!((send(&app, "GET /open", &[]).await, send(&app, "GET /catalog", &[]).await), (200, 200));
    assert_eq!(kept.take(), []);
}

#[tokio::test]
async fn allowed_requests_and_anonymous_ones_are_recorded_only_if_asked_for() {
    let issuer = TestIssuer::new();
    let token = format!("Bearer {}", good(&issuer).scope("orders:read").sign());
    for (log, expected) in [
        ((|kept: &Kept| kept.log()) as fn(&Kept) -> AuditLog, vec!["refused"]),
        (|kept| kept.log().allowed(), vec!["allowed", "refused"]),
        (|kept| kept.log().anonymous(), vec!["allowed", "refused"]),
        (|kept| kept.log().allowed().anonymous(), vec!["allowed", "allowed", "refused"]),
    ] {
        let kept = Kept::default();
        let app = router().layer(builder(&issuer, log(&kept)).public(["/open"]).build().expect("a layer"));
        send(&app, "GET /orders/1", &[("authorization", &token)]).await;
        send(&app, "GET /open", &[]).await;
        send(&app, "GET /orders/1", &[]).await;
        let outcomes: Vec<&str> = kept.take().iter().map(|event| event.outcome.name()).collect();
        assert_eq!(outcomes, expected);
    }
}

/// S9.11: caller workload, subject and actors are each in the event.
#[tokio::test]
async fn s9_11_the_event_names_client_subject_and_the_chain_of_actors() {
    let issuer = TestIssuer::new();
    let kept = Kept::default();
    let guarded = get(|| async { "in" }).layer(require(actor("gateway")));
    let app = Router::new().route("/", guarded).layer(layer(&issuer, kept.log().allowed()));
    let act =
        json!({ "sub": "gateway", "act": { "sub": "edge", "iss": "https://edge.test", "act": { "sub": "ann" } } });
    let token = format!("Bearer {}", good(&issuer).client_id("gateway-client").claim("act", act).sign());
    assert_eq!(send(&app, "GET /", &[("authorization", &token)]).await, 200);
    let line = kept.line();
    let ann = pseudonyms().pseudonym(issuer.name(), "ann");
    assert_eq!((&line["client"], &line["subject"]), (&json!("gateway-client"), &json!(ann)));
    let expected =
        json!([{ "subject": "gateway" }, { "subject": "edge", "issuer": "https://edge.test" }, { "subject": ann }]);
    assert_eq!(line["actors"], expected, "the subject is named as an actor by its pseudonym too");
}

/// A hidden route answers by another router of the same app: one event, with the decision that counts.
#[tokio::test]
async fn a_hidden_route_gives_one_event_with_its_requirement() {
    let issuer = TestIssuer::new();
    let kept = Kept::default();
    let hidden: Requirement = role("admin").hidden();
    let routes = Routes::new()
        .get("/orders", Access::Authenticated, || async { "orders" })
        .get("/secret/{id}", hidden.clone(), || async { "secret" })
        .get("/wide/{*rest}", Access::Authenticated, || async { "wide" })
        .get("/wide/secret", hidden, || async { "secret" });
    let app = protect(routes, layer(&issuer, kept.log().allowed()));
    let admin = format!("Bearer {}", good(&issuer).role("admin").sign());
    let clerk = format!("Bearer {}", good(&issuer).role("clerk").sign());
    let expired = format!("Bearer {}", good(&issuer).expired().sign());
    let who = || caller(&issuer);
    let rule = "role admin (else 404)";
    for (line, token, expected) in [
        (
            "GET /secret/1",
            Some(&admin),
            with(
                who(),
                json!({ "outcome": "allowed", "code": "ok", "status": 200, "method": "GET", "route": "/secret/{id}", "requirement": rule }),
            ),
        ),
        (
            "GET /secret/1",
            Some(&clerk),
            with(
                who(),
                json!({ "outcome": "denied", "code": "not_found", "status": 404, "method": "GET", "route": "/secret/{id}", "requirement": rule, "unmet": "role admin" }),
            ),
        ),
        (
            "GET /secret/1",
            Some(&expired),
            json!({ "outcome": "refused", "code": "expired", "status": 401, "method": "GET", "route": "/secret/{id}" }),
        ),
        (
            "GET /secret/1",
            None,
            json!({ "outcome": "refused", "code": "no_token", "status": 401, "method": "GET", "route": "/secret/{id}" }),
        ),
        (
            "GET /wide/secret",
            Some(&admin),
            with(
                who(),
                json!({ "outcome": "allowed", "code": "ok", "status": 200, "method": "GET", "route": "/wide/secret", "requirement": rule }),
            ),
        ),
        (
            "GET /wide/secret",
            Some(&clerk),
            with(
                who(),
                json!({ "outcome": "allowed", "code": "ok", "status": 200, "method": "GET", "route": "/wide/secret" }),
            ),
        ),
        (
            "GET /orders",
            Some(&clerk),
            with(
                who(),
                json!({ "outcome": "allowed", "code": "ok", "status": 200, "method": "GET", "route": "/orders" }),
            ),
        ),
    ] {
        let headers: Vec<_> = token.map(|value| ("authorization", value.as_str())).into_iter().collect();
        let status = send(&app, line, &headers).await;
        let event = own(kept.line(), &issuer);
        assert_eq!(event, expected, "{line}");
        assert_eq!(event["status"], status);
    }
}
