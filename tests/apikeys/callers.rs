//! Callers with a key beside those with a token.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use countersign::authenticate::CallerToken;
use countersign::authz::token_kind;
use countersign::lifetime::TokenEnd;
use countersign::prelude::*;
use countersign::token::CredentialKind;
use countersign_apikey::NewApiKey;
use countersign_test::TestIssuer;
use countersign_tests::http::Service;
use tower::ServiceExt;

use crate::outage::Failing;
use crate::shop::{AUTHORITY, builder, created, got, in_memory, layer, service, verifier};

#[tokio::test]
async fn s13_12_guards_extractors_and_tenants_take_callers_of_all_kinds_alike() {
    let issuer = TestIssuer::new();
    let keys = in_memory();
    let names = async |claims: Claims, tenant: Tenant| format!("{} of {}", claims.subject(), tenant.as_str());
    let routes = Router::new()
        .route("/role", get(names).layer(require(role("manager"))))
        .route("/permission", get(names).layer(require(permission("orders:approve"))))
        .route("/tenants/{tenant}", get(names).layer(require(tenant_in_path("tenant"))))
        .route("/signed", get(names).layer(require(token_kind(CredentialKind::Signed))))
        .route("/keys", get(names).layer(require(token_kind(CredentialKind::ApiKey))));
    let service = Service::start(routes.layer(layer(&keys, &issuer))).await;
    let key = NewApiKey::new("reports", "orders").roles(["manager"]).permissions(["orders:approve"]).tenant("acme");
    let key = keys.create(key.subject("ann")).await.expect("a key");
    let token = issuer.token().subject("ann").audience("orders").role("manager").permission("orders:approve");
    let token = token.tenant("acme").sign();
    for (path, of_key, of_token) in [
        ("/role", 200, 200),
        ("/permission", 200, 200),
        ("/tenants/acme", 200, 200),
        ("/tenants/globex", 403, 403),
        ("/signed", 403, 200),
        ("/keys", 200, 403),
    ] {
        let with_key = service.get(path, key.text().expose()).await;
        let with_token = service.get(path, &token).await;
        assert_eq!((with_key.status, with_token.status), (of_key, of_token), "{path} {with_key:?} {with_token:?}");
        if (of_key, of_token) == (200, 200) {
            assert_eq!((with_key.body.as_str(), with_token.body.as_str()), ("ann of acme", "ann of acme"));
        }
    }
}

#[tokio::test]
async fn s13_12_a_caller_with_a_key_has_the_authority_as_its_issuer_and_its_kind() {
    let issuer = TestIssuer::new();
    let keys = in_memory();
    let service = service(&keys, &issuer).await;
    let key = created(&keys).await;
    let answer = got(&service, key.text().expose()).await;
    assert_eq!(answer.body, format!("api_key {AUTHORITY} reports reports"));
}

#[tokio::test]
async fn s7_23_a_key_is_never_kept_for_an_exchange_or_for_another_service() {
    let issuer = TestIssuer::new();
    let keys = in_memory();
    let kept = async |extensions: http::Extensions| format!("{}", extensions.get::<CallerToken>().is_some());
    let builder = AuthenticateLayer::builder(verifier(&keys, &issuer)).api_keys(keys.clone()).keep_caller_token();
    let router = Router::new().route("/", get(kept)).layer(builder.build().expect("a layer"));
    let service = Service::start(router).await;
    let key = created(&keys).await;
    assert_eq!(service.get("/", key.text().expose()).await.body, "false");
    let token = issuer.token().audience("orders").sign();
    assert_eq!(service.get("/", &token).await.body, "true");
}

#[tokio::test(start_paused = true)]
async fn s13_12_s5_21_a_stream_ends_after_its_key_was_revoked_and_not_because_the_store_fails() {
    static ENDED: AtomicUsize = AtomicUsize::new(0);
    let issuer = TestIssuer::new();
    let store = Arc::new(Failing::default());
    let keys = builder(Arc::clone(&store)).build().expect("keys");
    let handler = |end: TokenEnd| async move {
        tokio::spawn(async move {
            end.reached().await;
            ENDED.fetch_add(1, Ordering::Relaxed);
        });
    };
    let service = Router::new().route("/", get(handler)).layer(layer(&keys, &issuer));
    let key = created(&keys).await;
    let request = Request::get("/").header("authorization", format!("Bearer {}", key.text().expose()));
    let answer = service.oneshot(request.body(Body::empty()).expect("a request")).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let minute = async || {
        issuer.clock().advance(Duration::from_secs(61));
        tokio::time::sleep(Duration::from_secs(62)).await;
        ENDED.load(Ordering::Relaxed)
    };
    assert_eq!(minute().await, 0);
    store.fail(true);
    for _ in 0..3 {
        assert_eq!(minute().await, 0, "a store that cannot be read ends nothing");
    }
    store.fail(false);
    keys.revoke(key.key().id()).await.expect("revoked");
    assert_eq!(minute().await, 1);
}
