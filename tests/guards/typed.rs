//! Typed claims over HTTP: decoded once per token, upgraded from older schemas, refused if they do not decode.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::authz::claims_where;
use countersign::claims::{Evolving, Oldest, Schema, SchemaSeen, schema_counts};
use countersign::prelude::*;
use countersign_test::TestIssuer;
use countersign_tests::http::Service;
use countersign_tests::log::Log;
use serde::Deserialize;
use tower::ServiceExt;
use tracing::instrument::WithSubscriber;

#[derive(Deserialize)]
struct V1 {
    plan: String,
}

#[derive(Deserialize)]
struct V2 {
    #[serde(rename = "tier", alias = "level")]
    plan: String,
    #[serde(default)]
    regions: Vec<String>,
}

impl Schema for V1 {
    const VERSION: u32 = 1;
    type Older = Oldest;
    fn upgrade(older: Oldest) -> Self {
        match older {}
    }
}

impl Schema for V2 {
    const VERSION: u32 = 2;
    type Older = V1;
    fn upgrade(older: V1) -> Self {
        V2 { plan: older.plan, regions: vec!["eu".into()] }
    }
}

async fn describe(claims: Claims<Evolving<V2>>) -> String {
    format!("{} {} {} from {}", claims.subject(), claims.plan, claims.regions.join("+"), claims.version())
}

fn app(issuer: &TestIssuer) -> Router {
    let golden = claims_where("a golden plan", |claims: &Evolving<V2>| claims.plan == "gold");
    Router::new()
        .route("/", get(describe))
        .route("/golden", get(describe).layer(require(golden)))
        .layer(AuthenticateLayer::new(issuer.verifier_for("api")))
}

#[tokio::test]
async fn tokens_of_older_schemas_reach_the_handler_in_the_form_it_asks_for() {
    let issuer = TestIssuer::new();
    let service = Service::start(app(&issuer)).await;
    let token = || issuer.token().subject("u1").audience("api");
    let of_two = || token().claim("schema_version", 2);
    let old = token().claim("plan", "gold").sign();
    for _ in 0..3 {
        assert_eq!(service.get("/", &old).await.body, "u1 gold eu from 1");
        assert_eq!(service.get("/golden", &old).await.body, "u1 gold eu from 1");
    }
    let new = of_two().claim("tier", "gold").claim("regions", serde_json::json!(["us", "eu"])).sign();
    assert_eq!(service.get("/golden", &new).await.body, "u1 gold us+eu from 2");
    assert_eq!(service.get("/golden", &of_two().claim("tier", "free").sign()).await.code(), "forbidden");
    assert_eq!(service.get("/", &of_two().claim("level", "gold").sign()).await.body, "u1 gold  from 2", "renamed");
    for odd in [of_two(), token().claim("plan", 7), token().claim("schema_version", "2").claim("tier", "gold")] {
        let odd = odd.sign();
        for path in ["/", "/golden"] {
            let answer = service.get(path, &odd).await;
            assert_eq!((answer.status, answer.code().as_str()), (403, "claims_schema"), "{path}");
        }
    }

    let newer = of_two().claim("schema_version", 3).claim("tier", "canary-tier").sign();
    let log = Log::default();
    let request = axum::http::Request::get("/").header("authorization", format!("Bearer {newer}"));
    let request = request.body(axum::body::Body::empty()).expect("a request");
    let answer = app(&issuer).oneshot(request).with_subscriber(log.subscriber()).await.expect("answered");
    assert_eq!(answer.status(), 403);
    assert!(log.text().contains("schema 3, and this service knows up to 2"), "{}", log.text());
    assert!(!log.text().contains("canary"), "{}", log.text());

    // The field and the types, and no value.
    let wrong =
        issuer.token().audience("api").claim("schema_version", 2).claim("tier", serde_json::json!(["canary"])).sign();
    let request = axum::http::Request::get("/").header("authorization", format!("Bearer {wrong}"));
    let request = request.body(axum::body::Body::empty()).expect("a request");
    let answer = app(&issuer).oneshot(request).with_subscriber(log.subscriber()).await.expect("answered");
    assert_eq!(answer.status(), 403);
    let body = axum::body::to_bytes(answer.into_body(), 4096).await.expect("a body");
    assert!(!String::from_utf8_lossy(&body).contains("tier"), "{body:?}");
    assert!(log.text().contains("tier: expected a string, found a list"), "{}", log.text());
    assert!(!log.text().contains("canary"), "{}", log.text());

    let seen = |schema| {
        let counted =
            |count: &countersign::claims::SchemaCount| count.requested.ends_with("V2") && count.seen == schema;
        schema_counts().into_iter().filter(counted).map(|count| count.tokens).sum::<u64>()
    };
    // Tokens, not requests: the old one came six times. The second old one has a plan that is no text.
    assert_eq!((seen(SchemaSeen::Older(1)), seen(SchemaSeen::Newer)), (2, 1));
}

static DECODED: AtomicUsize = AtomicUsize::new(0);

struct Counted;

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DECODED.fetch_add(1, Ordering::Relaxed);
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Counted)
    }
}

#[tokio::test]
async fn a_type_is_decoded_once_a_token_by_guard_extractors_and_requests_together() {
    let issuer = TestIssuer::new();
    let app = Router::new()
        .route(
            "/",
            get(async |_: Claims<Counted>, _: Option<Claims<Counted>>, _: Claims| "in")
                .layer(require(claims_where("anything", |_: &Counted| true))),
        )
        .layer(AuthenticateLayer::new(issuer.verifier_for("api")));
    let service = Service::start(app).await;
    for tokens in 1..=3 {
        let token = issuer.token().audience("api").sign();
        for _ in 0..3 {
            assert_eq!(service.get("/", &token).await.body, "in");
        }
        assert_eq!(DECODED.load(Ordering::Relaxed), tokens);
    }
}
