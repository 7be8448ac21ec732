//! One reading of one text: guard, extractor and handler read the same, or the request is refused (S15.09).

use std::collections::HashMap;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::authz::{tenant_in_header, tenant_in_host};
use countersign::extract::Authorized;
use countersign::prelude::*;
use countersign_test::TestIssuer;
use countersign_tests::http::Service;
use countersign_tests::log::Log;
use tracing::instrument::WithSubscriber;

countersign::requirement! {
    /// The tenant of the path.
    OwnTenant = tenant_in_path("tenant");
}

async fn reads_path(Path(path): Path<HashMap<String, String>>) -> String {
    path["tenant"].clone()
}

async fn authorized(_: Authorized<OwnTenant>, Path(path): Path<HashMap<String, String>>) -> String {
    path["tenant"].clone()
}

#[tokio::test]
async fn s15_09_a_path_parameter_of_nested_routers_is_refused() {
    let issuer = TestIssuer::new();
    let guarded = || require(tenant_in_path("tenant"));
    let inside = || {
        Router::new()
            .route("/x/{tenant}", get(reads_path).layer(guarded()))
            .route("/y/{tenant}", get(authorized))
            .route("/negated/{tenant}", get(reads_path).layer(require(tenant_in_path("tenant").not())))
            .route("/z/{order}", get(reads_path).layer(guarded()))
            .route("/none/{tenant}", get(reads_path).layer(require(role("clerk"))))
    };
    let app = Router::new()
        .nest("/s/{tenant}", inside())
        .merge(inside())
        .layer(AuthenticateLayer::new(issuer.verifier_for("api")));
    let token = issuer.token().audience("api").tenant("acme").role("clerk").sign();
    let log = Log::default();
    async {
        let call = async |path: &str| {
            let request = axum::http::Request::get(path).header("authorization", format!("Bearer {token}"));
            let request = request.body(axum::body::Body::empty()).expect("a request");
            tower::ServiceExt::oneshot(app.clone(), request).await.expect("answered").status().as_u16()
        };
        for duplicate in ["/s/acme/x/globex", "/s/globex/x/acme", "/s/acme/x/acme", "/s/acme/x/%61cme"] {
            assert_eq!(call(duplicate).await, 500, "{duplicate}");
            assert_eq!(call(&duplicate.replace("/x/", "/y/")).await, 500, "{duplicate}, extracted");
            assert_eq!(call(&duplicate.replace("/x/", "/negated/")).await, 500, "{duplicate}, negated");
            assert_eq!(call(&duplicate.replace("/x/", "/none/")).await, 200, "no requirement reads it");
        }
        for (single, status) in
            [("/x/acme", 200), ("/x/%61cme", 200), ("/x/globex", 403), ("/y/acme", 200), ("/y/globex", 403)]
        {
            assert_eq!(call(single).await, status, "{single}");
        }
        for (outer, status) in [("/s/acme/z/7", 200), ("/s/globex/z/acme", 403)] {
            assert_eq!(call(outer).await, status, "{outer}");
        }
    }
    .with_subscriber(log.subscriber())
    .await;
    assert!(log.text().contains("nested routers have the path parameter twice"), "{}", log.text());
}

/// A guard around a whole inner router sees only the outer parameter; handlers see those of the inner one too.
#[tokio::test]
async fn s15_09_a_parameter_that_an_inner_router_adds_after_the_guard_is_refused() {
    let issuer = TestIssuer::new();
    let value = |Path(path): Path<HashMap<String, String>>| async move { path["tenant"].clone() };
    let inner = || {
        Router::new()
            .route("/claims/{tenant}", get(move |_: Claims, path: Path<_>| value(path)))
            .route("/maybe/{tenant}", get(move |_: Option<Claims>, path: Path<_>| value(path)))
            .route("/tenant/{tenant}", get(move |_: Tenant, path: Path<_>| value(path)))
            .route("/authorized/{tenant}", get(authorized))
            .route("/guarded/{tenant}", get(value).layer(require(role("clerk"))))
            .route("/compared/{tenant}", get(value).layer(require(tenant_in_path("tenant"))))
            .route("/other/{order}", get(move |_: Claims, path: Path<_>| value(path)))
    };
    let authenticate = AuthenticateLayer::new(issuer.verifier_for("api"));
    let around = Router::new().nest_service("/s/{tenant}", inner()).layer(require(tenant_in_path("tenant")));
    let twice = Router::new().nest_service("/t/{outer}", around.clone());
    let app = around.merge(twice).layer(authenticate);
    let token = issuer.token().audience("api").tenant("acme").role("clerk").sign();
    let call = async |path: String| {
        let request = axum::http::Request::get(&path).header("authorization", format!("Bearer {token}"));
        let request = request.body(axum::body::Body::empty()).expect("a request");
        tower::ServiceExt::oneshot(app.clone(), request).await.expect("answered").status().as_u16()
    };
    for handler in ["claims", "maybe", "tenant", "authorized", "guarded", "compared"] {
        for values in
            ["/s/acme/x/globex", "/s/acme/x/acme", "/s/acme/x/%67lobex", "/s/acme/x/%ff", "/t/1/s/acme/x/globex"]
        {
            assert_eq!(call(values.replace("/x/", &format!("/{handler}/"))).await, 500, "{handler} {values}");
        }
        assert_eq!(call(format!("/s/globex/{handler}/acme")).await, 403, "{handler}");
    }
    for path in ["/s/acme/other/7", "/t/1/s/acme/other/7"] {
        assert_eq!(call(path.into()).await, 200, "{path}");
    }
    assert_eq!(call("/s/globex/other/7".into()).await, 403);
}

/// A guard in shadow mode decides nothing, and so compares no parameter: what an inner router adds is for its own guards.
#[tokio::test]
async fn s5_26_s15_09_a_parameter_that_only_a_guard_in_shadow_mode_reads_may_come_again() {
    let issuer = TestIssuer::new();
    let inner =
        || Router::new().route("/{tenant}", get(|_: Claims, path: Path<HashMap<String, String>>| reads_path(path)));
    let app = |rule: Requirement| {
        let around = Router::new().nest_service("/s/{tenant}", inner()).layer(require(rule));
        around.layer(AuthenticateLayer::new(issuer.verifier_for("api")))
    };
    let token = issuer.token().audience("api").tenant("acme").sign();
    for (rule, status) in [(tenant_in_path("tenant"), 500), (tenant_in_path("tenant").shadowed(), 200)] {
        let request = axum::http::Request::get("/s/acme/globex").header("authorization", format!("Bearer {token}"));
        let request = request.body(axum::body::Body::empty()).expect("a request");
        let answer = tower::ServiceExt::oneshot(app(rule.clone()), request).await.expect("answered");
        assert_eq!(answer.status().as_u16(), status, "{rule}");
    }
}

#[tokio::test]
async fn s15_09_headers_and_hosts_that_could_be_read_differently_are_refused() {
    let issuer = TestIssuer::new();
    let app = Router::new()
        .route("/header", get(|| async { "in" }).layer(require(tenant_in_header("x-tenant"))))
        .route("/header-not", get(|| async { "in" }).layer(require(tenant_in_header("x-tenant").not())))
        .route("/host", get(|| async { "in" }).layer(require(tenant_in_host("example.com"))))
        .route("/host-not", get(|| async { "in" }).layer(require(tenant_in_host("example.com").not())))
        .layer(AuthenticateLayer::new(issuer.verifier_for("api")));
    let token = format!("Bearer {}", issuer.token().audience("api").tenant("acme").sign());
    let call = async |uri: &str, headers: &[(&str, &str)]| {
        let mut request = axum::http::Request::get(uri).header("authorization", &token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(axum::body::Body::empty()).expect("a request");
        tower::ServiceExt::oneshot(app.clone(), request).await.expect("answered").status().as_u16()
    };
    assert_eq!(call("/header", &[("x-tenant", "acme")]).await, 200);
    assert_eq!(call("/header-not", &[("x-tenant", "globex")]).await, 200);
    for duplicate in [
        &[("x-tenant", "acme"), ("x-tenant", "globex")][..],
        &[("x-tenant", "globex"), ("x-tenant", "acme")],
        &[("x-tenant", "acme"), ("x-tenant", "acme")],
        &[("x-tenant", "acme"), ("x-tenant", "\u{e9}")],
        &[],
    ] {
        for path in ["/header", "/header-not"] {
            assert_eq!(call(path, duplicate).await, 403, "{path} {duplicate:?}");
        }
    }
    for joined in ["acme, globex", "acme,acme", "acme;globex"] {
        assert_eq!(call("/header", &[("x-tenant", joined)]).await, 403, "{joined}");
    }
    for agreeing in [
        ("/host", &[("host", "acme.example.com")][..]),
        ("https://acme.example.com/host", &[]),
        ("https://acme.example.com/host", &[("host", "acme.example.com")]),
        ("/host", &[("host", "acme.example.com"), ("x-forwarded-host", "acme.example.com:443")]),
        ("/host", &[("host", "acme.example.com"), ("forwarded", "for=192.0.2.1;host=acme.example.com")]),
    ] {
        assert_eq!(call(agreeing.0, agreeing.1).await, 200, "{agreeing:?}");
    }
    for (uri, headers) in [
        ("https://acme.example.com/host", &[("host", "globex.example.com")][..]),
        ("https://globex.example.com/host", &[("host", "acme.example.com")]),
        ("/host", &[("host", "acme.example.com"), ("host", "globex.example.com")]),
        ("/host", &[("host", "acme.example.com"), ("x-forwarded-host", "globex.example.com")]),
        ("/host", &[("host", "acme.example.com"), ("forwarded", "host=globex.example.com")]),
        ("/host", &[("host", "internal"), ("x-forwarded-host", "acme.example.com")]),
        ("/host", &[]),
    ] {
        for uri in [uri.to_owned(), uri.replace("/host", "/host-not")] {
            assert_eq!(call(&uri, headers).await, 403, "{uri} {headers:?}");
        }
    }
}

/// Two names of one member, and two spellings of one name, are never two claims.
#[tokio::test]
async fn s15_09_s1_10_duplicate_members_and_credentials_are_refused() {
    let issuer = TestIssuer::new();
    let app =
        Router::new().route("/", get(|| async { "in" })).layer(AuthenticateLayer::new(issuer.verifier_for("api")));
    let service = Service::start(app).await;
    let token = issuer.token().audience("api").sign();
    let bearer = format!("Authorization: Bearer {token}");
    assert_eq!(service.request("GET /", &[&bearer]).await.status, 200);
    assert_eq!(service.request("GET /", &[&bearer, &bearer]).await.status, 400);
    assert_eq!(service.request("GET /", &[&bearer, "Authorization: Basic YTpi"]).await.status, 400);
}
