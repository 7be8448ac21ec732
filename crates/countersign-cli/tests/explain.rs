//! `countersign explain`, the real binary: its answer is the one of a real app with the same routes.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod run;

use axum::Router;
use countersign::app::{Access, Routes, protect};
use countersign::authz::{authenticated_within, role, scope, tenant_in_path};
use countersign_core::clock::Clock;
use countersign_test::{TestIssuer, TokenDraft};
use run::{Answer, Held, assert_form, countersign, file};
use serde_json::{Value, json};
use std::time::Duration;

fn routes() -> Routes {
    Routes::new()
        .get("/health", Access::Public, || async { "ok" })
        .get("/me", Access::Authenticated, || async { "me" })
        .get("/orders/{id}", scope("orders:read"), || async { "an order" })
        .get("/orders/mine", role("customer"), || async { "mine" })
        .post("/orders", scope("orders:write").and(role("clerk").or(role("manager"))), || async { "created" })
        .get("/tenants/{tenant}/orders", tenant_in_path("tenant"), || async { "orders of a tenant" })
        .delete("/orders/{id}", authenticated_within(Duration::from_secs(60)), || async { "gone" })
}

struct World {
    issuer: TestIssuer,
    table: Held,
    policy: Held,
}

impl World {
    fn new() -> Self {
        let issuer = TestIssuer::with_system_clock();
        let policy = json!({ "issuers": [{
            "issuer": issuer.name(), "audience": "orders", "keys": { "inline": issuer.jwks() },
            "authorities": { "roles_at": ["/roles"], "tenant_at": "/tenant" },
        }] });
        World {
            issuer,
            table: file("routes", &routes().table().to_json()),
            policy: file("policy", &policy.to_string()),
        }
    }

    fn token(&self) -> TokenDraft {
        self.issuer.token().subject("ann").audience("orders")
    }

    fn explain(&self, method: &str, path: &str, token: Option<&str>, more: &[&str]) -> Answer {
        let mut asked = vec!["explain", "--method", method, "--path", path, "--routes", self.table.path()];
        asked.extend(["--policy", self.policy.path(), "--json"]);
        asked.extend(more);
        if token.is_none() {
            asked.push("--no-token");
        }
        let answer = countersign(&asked, token.unwrap_or_default());
        if answer.code != 2 {
            assert_form("explain", &answer.json());
        }
        answer
    }

    fn app(&self) -> Router {
        protect(routes(), self.issuer.verifier_for("orders")).into_router()
    }
}

#[test]
fn the_rule_that_matched_the_decision_the_status_and_the_challenge() {
    let world = World::new();
    let reader = world.token().scope("orders:read").role("customer").tenant("acme").sign();
    let clerk = world.token().scope("orders:write").role("clerk").sign();
    let expired = world.token().expired().sign();
    for (method, path, token, route, status, challenge) in [
        ("GET", "/health", None, Some("GET /health"), 200, ""),
        ("GET", "/me", None, Some("GET /me"), 401, "Bearer"),
        ("GET", "/me", Some(&reader), Some("GET /me"), 200, ""),
        ("GET", "/me", Some(&expired), Some("GET /me"), 401, "invalid_token"),
        ("GET", "/orders/1", Some(&reader), Some("GET /orders/{id}"), 200, ""),
        ("GET", "/orders/1", Some(&clerk), Some("GET /orders/{id}"), 403, "insufficient_scope"),
        ("GET", "/orders/mine", Some(&reader), Some("GET /orders/mine"), 200, ""),
        ("GET", "/orders/mine", Some(&clerk), Some("GET /orders/mine"), 403, ""),
        ("POST", "/orders", Some(&clerk), Some("POST /orders"), 200, ""),
        ("POST", "/orders", Some(&reader), Some("POST /orders"), 403, ""),
        ("GET", "/tenants/acme/orders", Some(&reader), Some("GET /tenants/{tenant}/orders"), 200, ""),
        ("GET", "/tenants/other/orders", Some(&reader), Some("GET /tenants/{tenant}/orders"), 403, ""),
        ("DELETE", "/orders/1", Some(&reader), Some("DELETE /orders/{id}"), 401, "insufficient_user_authentication"),
        ("GET", "/unknown", None, None, 401, "Bearer"),
        ("GET", "/unknown", Some(&reader), None, 404, ""),
    ] {
        let answer = world.explain(method, path, token.map(String::as_str), &[]);
        let said = answer.json();
        let what = format!("{method} {path}: {said}");
        assert_eq!(said["route"], json!(route), "{what}");
        assert_eq!(said["status"], status, "{what}");
        assert!(said["challenges"].to_string().contains(challenge), "{what}");
        assert_eq!(said["decision"] == "allowed", status == 200, "{what}");
        assert_eq!(answer.code, i32::from(status != 200), "{what}");
    }
    let said = world.explain("POST", "/orders", Some(&reader), &[]).json();
    assert_eq!(said["requirement"], "scope orders:write and (role clerk or role manager)");
    assert_eq!(said["token"]["verdict"], "accepted");
    let text = countersign(
        &["explain", "--path", "/orders/1", "--routes", world.table.path(), "--policy", world.policy.path()],
        &clerk,
    );
    assert!(text.stdout.contains("DENIED") && text.stdout.contains("scope=\"orders:read\""), "{}", text.stdout);
}

#[test]
fn two_tokens_in_one_request_are_refused_as_a_service_does() {
    let world = World::new();
    let token = world.token().sign();
    let said = world.explain("GET", "/me", Some(&token), &["--header", "Authorization: Bearer other"]).json();
    assert_eq!((&said["status"], &said["decision"]), (&json!(400), &json!("denied")), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_service_is_asked_and_put_beside() {
    let world = World::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let app = world.app();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let unguarded = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let open = format!("http://{}", unguarded.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(unguarded, Router::new().fallback(|| async { "let in" })).await });
    let said = tokio::task::spawn_blocking(move || {
        let (plain, reader) = (world.token().sign(), world.token().scope("orders:read").sign());
        let expired = world.token().expired().sign();
        let live = |path: &str, token: Option<&str>, url: &str| {
            world.explain("GET", path, token, &["--curl", url]).json()["live"].clone()
        };
        for (path, token) in [
            ("/orders/1", Some(&plain)),
            ("/orders/1", Some(&reader)),
            ("/me", Some(&expired)),
            ("/me", None),
            ("/health", None),
            ("/unknown", Some(&plain)),
        ] {
            let said = live(path, token.map(String::as_str), &url);
            assert_eq!(said["agrees"], true, "{path}: {said}");
        }
        live("/me", Some(&expired), &open)
    });
    let said: Value = said.await.expect("ran");
    assert_eq!((&said["agrees"], &said["status"]), (&json!(false), &json!(200)), "it is not guarded: {said}");
}

#[test]
fn time_can_be_chosen_and_unreachable_keys_leave_it_undecided() {
    let world = World::new();
    let token = world.token().sign();
    let late = (world.issuer.clock().now().as_secs() + 9_000).to_string();
    let said = world.explain("GET", "/me", Some(&token), &["--now", &late]).json();
    assert_eq!(said["body"]["code"], "token_expired", "{said}");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = format!("http://{}/keys", listener.local_addr().expect("bound"));
    drop(listener);
    let answer = world.explain("GET", "/me", Some(&token), &["--jwks", &nobody]);
    assert_eq!((answer.code, &answer.json()["status"]), (3, &json!(503)), "{}", answer.stdout);
}

#[test]
fn a_table_that_cannot_be_judged_is_refused() {
    let world = World::new();
    let row = |path: &str, access: &str, rule: Value| {
        json!([{ "method": "GET", "path": path, "access": access, "requirement": "", "rule": rule, "scopes": [] }])
            .to_string()
    };
    let twice = json!([
        { "method": "GET", "path": "/a", "access": "public" }, { "method": "GET", "path": "/a", "access": "public" },
    ]);
    for (table, missing) in [
        (row("/a", "required", json!({ "claims_where": "weekdays only" })), "own rule"),
        (row("/a", "required", json!({ "not": { "everyone": {} } })), "no kind of requirement"),
        (row("/a", "required", json!({ "any_of": [] })), "any_of"),
        (row("/a", "required", json!("role clerk")), "a requirement"),
        (row("/a", "required", Value::Null), "no rule"),
        (row("a", "public", Value::Null), "malformed path"),
        (row("/{a", "public", Value::Null), "malformed path"),
        (row("/a", "everyone", Value::Null), "not a known route access"),
        (twice.to_string(), "twice"),
        ("{}".to_owned(), "RouteTable::to_json"),
    ] {
        let table = file("table", &table);
        let asked =
            ["explain", "--path", "/a", "--routes", table.path(), "--policy", world.policy.path(), "--no-token"];
        let answer = countersign(&asked, "");
        assert_eq!(answer.code, 2, "{missing}: {}", answer.stdout);
        assert!(answer.stderr.contains(missing), "{missing}: {}", answer.stderr);
        assert!(!answer.stderr.contains("panicked"), "{}", answer.stderr);
    }
}
