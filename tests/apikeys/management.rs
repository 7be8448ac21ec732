//! The router for the management of keys.

use axum::Router;
use countersign::prelude::*;
use countersign_apikey::{ApiKeys, router};
use countersign_test::TestIssuer;
use countersign_tests::http::{Answer, Service};
use serde_json::{Value, json};

use crate::shop::{created, got, in_memory, layer, service};

async fn management(keys: &ApiKeys, issuer: &TestIssuer) -> Service {
    let management = router(keys.clone(), "orders", scope("api-keys:manage"));
    Service::start(Router::new().nest("/api-keys", management).layer(layer(keys, issuer))).await
}

async fn send(service: &Service, line: &str, token: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    service.send(request.as_bytes()).await
}

#[tokio::test]
async fn s13_10_keys_are_made_listed_rotated_and_revoked_over_http() {
    let issuer = TestIssuer::new();
    let keys = in_memory();
    let (orders, service) = (service(&keys, &issuer).await, management(&keys, &issuer).await);
    let manager = issuer.token().audience("orders").scope("api-keys:manage orders:read").sign();
    let wanted = json!({ "client": "reports", "scopes": ["orders:read"], "note": "export", "expires_in": 3600 });
    let made = send(&service, "POST /api-keys", &manager, &wanted).await;
    assert_eq!((made.status, made.header("cache-control")), (201, Some("no-store")), "{made:?}");
    let first = made.json();
    assert_eq!(got(&orders, first["key"].as_str().expect("a key")).await.status, 200);
    assert_eq!(first["expires_at"].as_u64().expect("a time") - first["created_at"].as_u64().expect("a time"), 3600);

    let id = first["id"].as_str().expect("an id");
    let next = send(&service, &format!("POST /api-keys/{id}/rotate"), &manager, &json!({ "overlap": 60 })).await;
    assert_eq!(next.status, 201, "{next:?}");
    assert_eq!(got(&orders, next.json()["key"].as_str().expect("a key")).await.status, 200);
    let without_body =
        service.request(&format!("POST /api-keys/{id}/rotate"), &[&format!("Authorization: Bearer {manager}")]).await;
    assert_eq!(without_body.status, 201, "{without_body:?}");

    let listed = service.get("/api-keys", &manager).await;
    assert_eq!(listed.json()["keys"].as_array().expect("a list").len(), 3);
    assert!(!listed.body.contains("\"key\"") && !listed.body.contains("\"mac\""), "{listed:?}");
    let next_id = next.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(send(&service, &format!("DELETE /api-keys/{next_id}"), &manager, &json!({})).await.status, 204);
    assert_eq!(got(&orders, next.json()["key"].as_str().expect("a key")).await.status, 401);
    assert_eq!(send(&service, "DELETE /api-keys/unknown", &manager, &json!({})).await.code(), "not_found");
}

#[tokio::test]
async fn the_router_guards_itself() {
    let issuer = TestIssuer::new();
    let keys = in_memory();
    let open =
        Service::start(Router::new().nest("/api-keys", router(keys.clone(), "orders", scope("api-keys:manage")))).await;
    assert_eq!(open.request("GET /api-keys", &[]).await.status, 500, "without a layer");
    let service = management(&keys, &issuer).await;
    assert_eq!(service.request("GET /api-keys", &[]).await.status, 401);
    let clerk = issuer.token().audience("orders").scope("orders:read").sign();
    assert_eq!(service.get("/api-keys", &clerk).await.status, 403);
    let wanted = countersign_apikey::NewApiKey::new("reports", "orders").scopes(["api-keys:manage"]);
    let key = keys.create(wanted).await.expect("a key");
    assert_eq!(service.get("/api-keys", key.text().expose()).await.status, 403, "a key makes no keys");
}

#[tokio::test]
async fn a_caller_gives_and_renews_only_what_it_has() {
    let issuer = TestIssuer::new();
    let keys = in_memory();
    let service = management(&keys, &issuer).await;
    let manager = issuer.token().audience("orders").scope("api-keys:manage").role("clerk").sign();
    for (wanted, status) in [
        (json!({ "client": "reports" }), 201),
        (json!({ "client": "reports", "roles": ["clerk"] }), 201),
        (json!({ "client": "reports", "scopes": ["orders:read"] }), 403),
        (json!({ "client": "reports", "roles": ["admin"] }), 403),
        (json!({ "client": "reports", "permissions": ["orders:approve"] }), 403),
    ] {
        let answer = send(&service, "POST /api-keys", &manager, &wanted).await;
        assert_eq!(answer.status, status, "{wanted} {answer:?}");
    }
    let stronger = created(&keys).await;
    let path = format!("POST /api-keys/{}/rotate", stronger.key().id());
    assert_eq!(send(&service, &path, &manager, &json!({})).await.status, 403, "its next key would have more");
    let elsewhere = keys.create(countersign_apikey::NewApiKey::new("reports", "billing")).await.expect("a key");
    let path = format!("POST /api-keys/{}/rotate", elsewhere.key().id());
    assert_eq!(send(&service, &path, &manager, &json!({})).await.status, 404, "of another service");
}

#[tokio::test]
async fn a_caller_with_a_tenant_manages_the_keys_of_that_tenant_alone() {
    let issuer = TestIssuer::new();
    let keys = in_memory();
    let service = management(&keys, &issuer).await;
    let of = |tenant: &str| issuer.token().audience("orders").scope("api-keys:manage").tenant(tenant).sign();
    let (acme, globex) = (of("acme"), of("globex"));
    let made = send(&service, "POST /api-keys", &acme, &json!({ "client": "reports" })).await;
    assert_eq!(made.json()["tenant"], "acme", "the caller's own, if none is named");
    let other = send(&service, "POST /api-keys", &acme, &json!({ "client": "reports", "tenant": "globex" })).await;
    assert_eq!(other.status, 403);
    assert_eq!(service.get("/api-keys", &globex).await.json()["keys"], json!([]));
    let id = made.json()["id"].as_str().expect("an id").to_owned();
    for line in [format!("DELETE /api-keys/{id}"), format!("POST /api-keys/{id}/rotate")] {
        assert_eq!(send(&service, &line, &globex, &json!({})).await.status, 404, "{line}");
    }
    assert_eq!(send(&service, &format!("DELETE /api-keys/{id}"), &acme, &json!({})).await.status, 204);
}

#[tokio::test]
async fn bodies_of_another_form_are_problems_that_repeat_nothing() {
    let issuer = TestIssuer::new();
    let service = management(&in_memory(), &issuer).await;
    let manager = issuer.token().audience("orders").scope("api-keys:manage").sign();
    for body in [json!([]), json!({}), json!({ "client": 7 }), json!({ "client": "a", "hunter2": true })] {
        let answer = send(&service, "POST /api-keys", &manager, &body).await;
        assert!([400, 422].contains(&answer.status), "{answer:?}");
        assert_eq!(answer.code(), "invalid");
        assert!(!answer.body.contains("hunter2"), "{answer:?}");
    }
    let invalid = send(&service, "POST /api-keys", &manager, &json!({ "client": "", "expires_in": 0 })).await;
    assert_eq!(invalid.status, 400);
    assert!(invalid.body.contains("client") && invalid.body.contains("expires_in"), "{invalid:?}");
    let long = json!({ "client": "a".repeat(70_000) });
    assert_eq!(send(&service, "POST /api-keys", &manager, &long).await.status, 413);
}
