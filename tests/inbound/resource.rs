//! Custom bodies, resource metadata, and headers that browsers may read.

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use countersign::app::{Access, Routes, protect};
use countersign::prelude::*;
use countersign::response::{Problem, ResourceMetadata};
use countersign_test::TestIssuer;
use countersign_tests::http::Service;
use http::{HeaderMap, Response};
use serde_json::json;
use tower_http::cors::CorsLayer;

use crate::app::{builder, good, layer, who};

const AT: &str = "/.well-known/oauth-protected-resource/v1";

fn metadata() -> ResourceMetadata {
    ResourceMetadata::new("https://api.test/v1").expect("an address").scopes(["read", "write"])
}

#[tokio::test]
async fn s5_14_s5_15_the_layer_answers_metadata_and_challenges_name_it() {
    let issuer = TestIssuer::new();
    let all = metadata()
        .authorization_servers(["https://id.test"])
        .member("dpop_signing_alg_values_supported", vec!["ES256"])
        .member("dpop_bound_access_tokens_required", true)
        .member("tls_client_certificate_bound_access_tokens", true)
        .member("resource_documentation", json!(null))
        .member("resource", "https://evil.test");
    let layer = builder(&issuer).resource_metadata(all).build().expect("a layer");
    let service = Service::start(Router::new().route("/", get(who)).layer(layer)).await;
    let answer = service.request(&format!("GET {AT}"), &[]).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let expected = json!({
        "resource": "https://api.test/v1",
        "authorization_servers": ["https://id.test"],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["read", "write"],
        "dpop_signing_alg_values_supported": ["ES256"],
        "dpop_bound_access_tokens_required": true,
        "tls_client_certificate_bound_access_tokens": true,
    });
    assert_eq!(answer.json(), expected);
    let evil = format!("GET {AT} HTTP/1.1\r\nHost: evil.test\r\nX-Forwarded-Host: evil\r\nConnection: close\r\n\r\n");
    assert_eq!(service.send(evil.as_bytes()).await.body, answer.body, "the hosts of a request change nothing");
    let address = format!("resource_metadata=\"https://api.test{AT}\"");
    assert!(service.request("GET /", &[]).await.challenge().contains(&address));
    assert!(service.get("/", &good(&issuer).expired().sign()).await.challenge().contains(&address));
    let head = service.request(&format!("HEAD {AT}"), &[]).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for closed in [format!("POST {AT}"), format!("GET {AT}/"), format!("GET {AT}?x"), format!("GET /x{AT}")] {
        assert_eq!(service.request(&closed, &[]).await.status, 401, "{closed}");
    }
}

#[tokio::test]
async fn s5_15_servers_are_the_trusted_issuers_and_what_is_not_set_is_absent() {
    let issuer = TestIssuer::new();
    let bare = ResourceMetadata::new("https://api.test/").expect("an address").scopes([] as [&str; 0]);
    let layer = builder(&issuer).resource_metadata(bare).build().expect("a layer");
    let app = protect(Routes::new().get("/", Access::Authenticated, who), layer);
    let path = "/.well-known/oauth-protected-resource";
    assert!(app.table().public().any(|route| route.path() == path), "the table shows it");
    let service = Service::start(app.into()).await;
    let expected = json!({
        "resource": "https://api.test/",
        "authorization_servers": [issuer.name()],
        "bearer_methods_supported": ["header"],
    });
    assert_eq!(service.request(&format!("GET {path}"), &[]).await.json(), expected);
}

#[test]
fn s5_14_the_address_of_the_document_follows_from_the_resource() {
    for (resource, path) in [
        ("https://api.test", "/.well-known/oauth-protected-resource"),
        ("https://api.test/", "/.well-known/oauth-protected-resource"),
        ("https://api.test/v1", AT),
        ("https://api.test/v1/", "/.well-known/oauth-protected-resource/v1/"),
        ("https://api.test:8443/a?b=c", "/.well-known/oauth-protected-resource/a?b=c"),
        ("http://127.0.0.1:80/", "/.well-known/oauth-protected-resource"),
        ("http://[::1]:80/", "/.well-known/oauth-protected-resource"),
    ] {
        assert_eq!(ResourceMetadata::new(resource).expect(resource).path(), path, "{resource}");
    }
    for bad in [
        "",
        "/v1",
        "api.test",
        "http://api.test",
        "ftp://api.test",
        "https://a.test/#x",
        "https://u@a.test",
        "https://a.test/\"",
    ] {
        let error = ResourceMetadata::new(bad).expect_err(bad);
        assert_eq!(error.faults()[0].field, "resource", "{bad}");
    }
}

/// A renderer that tries to open what is closed.
fn own(problem: &Problem, request: &HeaderMap) -> Response<Bytes> {
    let language = request.get("accept-language").and_then(|value| value.to_str().ok()).unwrap_or("none");
    Response::builder()
        .status(200)
        .header("content-type", "text/plain")
        .header("cache-control", "max-age=60")
        .header("www-authenticate", "Own")
        .header("x-own", "1")
        .body(Bytes::from(format!("{} in {language}", problem.code())))
        .expect("a response")
}

#[tokio::test]
async fn s5_17_s5_18_a_renderer_writes_every_refusal_and_opens_none() {
    let issuer = TestIssuer::new();
    let app = Router::new()
        .route("/", get(who))
        .route("/admin", get(who).layer(require(scope("admin"))))
        .route("/typed", get(|_: Claims<Own>| async { "in" }))
        .layer(builder(&issuer).render(own).build().expect("a layer"));
    let service = Service::start(app).await;
    let token = format!("Authorization: Bearer {}", good(&issuer).sign());
    let expired = format!("Authorization: Bearer {}", good(&issuer).expired().sign());
    for (line, credential, status, code) in [
        ("GET /", "Authorization:", 401, "no_token"),
        ("GET /", "Authorization: Bearer", 400, "invalid_request"),
        ("GET /", &expired, 401, "token_expired"),
        ("GET /admin", &token, 403, "insufficient_scope"),
        ("GET /typed", &token, 403, "claims_schema"),
    ] {
        let answer = service.request(line, &[credential, "Accept-Language: de"]).await;
        assert_eq!((answer.status, answer.body), (status, format!("{code} in de")));
        assert_eq!(answer.headers.iter().find(|(name, _)| name == "x-own").map(|(_, v)| v.as_str()), Some("1"));
        let lookup =
            |name: &str| answer.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!((lookup("content-type"), lookup("cache-control")), (Some("text/plain"), Some("no-store")));
        let challenge = lookup("www-authenticate").unwrap_or_default();
        assert!(
            !challenge.contains("Own") && (challenge.starts_with("Bearer ") || code == "claims_schema"),
            "{challenge}"
        );
    }
    assert_eq!(service.request("GET /", &[&token]).await.body, "u1");
}

#[derive(serde::Deserialize)]
struct Own {
    #[allow(dead_code, reason = "only its absence matters")]
    needed: String,
}

#[tokio::test]
async fn s5_19_challenges_are_exposed_to_pages_of_other_origins() {
    let issuer = TestIssuer::new();
    let cors = CorsLayer::new().allow_origin(["https://shop.test".parse().expect("an origin")]);
    let app = Router::new().route("/", get(who)).layer(layer(&issuer)).layer(cors);
    let service = Service::start(app).await;
    let exposed = "access-control-expose-headers";
    let refused = service.request("GET /", &["Origin: https://shop.test"]).await;
    assert_eq!(refused.header(exposed), Some("www-authenticate, retry-after"));
    assert_eq!(refused.header("access-control-allow-origin"), Some("https://shop.test"));
    let foreign = service.request("GET /", &["Origin: https://evil.test"]).await;
    assert_eq!(foreign.header("access-control-allow-origin"), None, "CORS decides who may read");
    assert_eq!(service.request("GET /", &[]).await.header(exposed), None, "no browser asks");
    let bearer = format!("Authorization: Bearer {}", good(&issuer).sign());
    let passed = service.request("GET /", &["Origin: https://shop.test", &bearer]).await;
    assert_eq!((passed.status, passed.header(exposed)), (200, None), "the handler's answers are its own");
}
