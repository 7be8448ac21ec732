//! `countersign explain`, run as a binary: its result equals the response of a real app with the same routes.

use crate::run::{Output, TempFile, assert_form, countersign, file};
use axum::Router;
use countersign::app::{Access, Routes, protect};
use countersign::authz::{authenticated_within, role, scope, tenant_in_path};
use countersign_core::clock::Clock;
use countersign_test::{TestIssuer, TokenDraft};
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
    table: TempFile,
    policy: TempFile,
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

    fn explain(&self, method: &str, path: &str, token: Option<&str>, more: &[&str]) -> Output {
        let mut arguments = vec!["explain", "--method", method, "--path", path, "--routes", self.table.path()];
        arguments.extend(["--policy", self.policy.path(), "--json"]);
        arguments.extend(more);
        if token.is_none() {
            arguments.push("--no-token");
        }
        let answer = countersign(&arguments, token.unwrap_or_default());
        if answer.code != 2 {
            assert_form("explain", &answer.json());
        }
        answer
    }

    fn app(&self) -> Router {
        protect(routes(), self.issuer.verifier_for("orders")).into()
    }
}

#[test]
fn a_misspelt_path_parameter_is_the_reason() {
    let routes: Routes =
        Routes::new().get("/tenants/{tenant}/orders/{id}", tenant_in_path("tennant"), || async { "orders" });
    let table = file("routes", &routes.table().to_json());
    let world = World { table, ..World::new() };
    let token = world.token().tenant("acme").sign();
    let answer = world.explain("GET", "/tenants/acme/orders/7", Some(&token), &[]);
    let unmet = answer.json()["unmet"].to_string();
    assert_eq!(answer.code, 1);
    assert!(unmet.contains("no parameter {tennant}") && unmet.contains("parameters there: {tenant}, {id}"), "{unmet}");
}

#[test]
fn rule_decision_status_and_challenge_are_reported() {
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
        let report = answer.json();
        let what = format!("{method} {path}: {report}");
        assert_eq!(report["route"], json!(route), "{what}");
        assert_eq!(report["status"], status, "{what}");
        assert!(report["challenges"].to_string().contains(challenge), "{what}");
        assert_eq!(report["decision"] == "allowed", status == 200, "{what}");
        assert_eq!(answer.code, i32::from(status != 200), "{what}");
    }
    let report = world.explain("POST", "/orders", Some(&reader), &[]).json();
    assert_eq!(report["requirement"], "scope orders:write and (role clerk or role manager)");
    assert_eq!(report["token"]["verdict"], "accepted");
    let text = countersign(
        &["explain", "--path", "/orders/1", "--routes", world.table.path(), "--policy", world.policy.path()],
        &clerk,
    );
    assert!(text.stdout.contains("DENIED") && text.stdout.contains("scope=\"orders:read\""), "{}", text.stdout);
}

#[test]
fn two_tokens_in_one_request_are_refused_as_by_a_service() {
    let world = World::new();
    let token = world.token().sign();
    let report = world.explain("GET", "/me", Some(&token), &["--header", "Authorization: Bearer other"]).json();
    assert_eq!((&report["status"], &report["decision"]), (&json!(400), &json!("denied")), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_service_is_compared() {
    let world = World::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let app = world.app();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let unguarded = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let open = format!("http://{}", unguarded.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(unguarded, Router::new().fallback(|| async { "let in" })).await });
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let strict = format!("http://{}", closed.local_addr().expect("bound"));
    let refuse = || async { axum::http::StatusCode::FORBIDDEN };
    tokio::spawn(async move { axum::serve(closed, Router::new().fallback(refuse)).await });
    let report = tokio::task::spawn_blocking(move || {
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
            let report = live(path, token.map(String::as_str), &url);
            assert_eq!(report["agrees"], true, "{path}: {report}");
        }
        let allowed = world.explain("GET", "/me", Some(&plain), &["--curl", &open]);
        assert_eq!(allowed.code, 0, "both let it in");
        let differs = world.explain("GET", "/health", None, &["--curl", &format!("{url}/unknown-service")]);
        assert_eq!(differs.code, 0, "the path is that of --path");
        let closed = world.explain("GET", "/orders/1", Some(&reader), &["--curl", &strict]);
        assert_eq!((closed.code, &closed.json()["live"]["agrees"]), (1, &json!(false)), "{}", closed.stdout);
        live("/me", Some(&expired), &open)
    });
    let report: Value = report.await.expect("ran");
    assert_eq!(
        (&report["agrees"], &report["status"]),
        (&json!(false), &json!(200)),
        "the live service is unguarded: {report}"
    );
}

#[test]
fn the_time_is_an_option_and_unreachable_keys_are_undecided() {
    let world = World::new();
    let token = world.token().sign();
    let late = (world.issuer.clock().now().as_secs() + 9_000).to_string();
    let report = world.explain("GET", "/me", Some(&token), &["--now", &late]).json();
    assert_eq!(report["body"]["code"], "token_expired", "{report}");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let closed = format!("http://{}/keys", listener.local_addr().expect("bound"));
    drop(listener);
    let answer = world.explain("GET", "/me", Some(&token), &["--jwks", &closed]);
    assert_eq!((answer.code, &answer.json()["status"]), (3, &json!(503)), "{}", answer.stdout);
}

/// Names with the separators of the line that lists them.
#[test]
fn s10_13_names_cannot_write_the_line_that_lists_them() {
    let world = World::new();
    let text = |token: &str| {
        let table = world.table.path();
        countersign(&["explain", "--path", "/me", "--routes", table, "--policy", world.policy.path()], token).stdout
    };
    let one = text(&world.token().role("clerk; tenant acme").role("none").sign());
    assert!(one.contains("caller       roles 'clerk; tenant acme' 'none'; tenant none\n"), "{one}");
    let other = text(&world.token().role("clerk").tenant("none").sign());
    assert!(other.contains("caller       roles clerk; tenant 'none'\n"), "{other}");
    let refused = text(&world.token().expired().sign());
    assert!(refused.contains("response     401  'Bearer ") && refused.contains("'\n"), "{refused}");
}

#[test]
fn a_table_that_cannot_be_evaluated_is_refused() {
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
        (row("/a", "required", Value::Null), "rule: missing"),
        (row("a", "public", Value::Null), "does not start with /"),
        (row("/{a", "public", Value::Null), "the router does not take this path"),
        (row("/a", "everyone", Value::Null), "access: not one of"),
        (twice.to_string(), "in the table twice"),
        (
            row("/a", "required", json!({ "role": "clerk" })).replace("{\"role\":", "{\"role\":\"admin\",\"role\":"),
            "routes[0]: rule: ",
        ),
        (
            row("/a", "public", Value::Null).replace("\"access\":", "\"access\":\"required\",\"access\":"),
            "duplicate field",
        ),
        ("{}".to_owned(), "RouteTable::to_json"),
    ] {
        let table = file("table", &table);
        let arguments =
            ["explain", "--path", "/a", "--routes", table.path(), "--policy", world.policy.path(), "--no-token"];
        let answer = countersign(&arguments, "");
        assert_eq!(answer.code, 2, "{missing}: {}", answer.stdout);
        assert!(answer.stderr.contains(missing), "{missing}: {}", answer.stderr);
        assert!(!answer.stderr.contains("panicked"), "{}", answer.stderr);
    }
}

#[test]
fn what_the_caller_has_and_what_is_unmet_are_reported() {
    let world = World::new();
    let clerk = world.token().scope("orders:write").role("Clerk").tenant("acme").sign();
    let answer = world.explain("POST", "/orders", Some(&clerk), &[]);
    let found = answer.json();
    assert_eq!(found["caller"]["roles"], json!(["Clerk"]));
    let unmet = found["unmet"][0].as_str().expect("a part");
    assert!(
        unmet.contains(
            "(the caller has roles Clerk; Clerk differs from clerk only by case, and names are compared with case)"
        ),
        "{unmet}"
    );
    assert!(unmet.starts_with("role clerk or role manager ("), "{unmet}");
    let met = world.token().scope("orders:write").role("clerk").sign();
    assert_eq!(world.explain("POST", "/orders", Some(&met), &[]).json()["unmet"], json!([]));

    let arguments = [
        "explain",
        "--method",
        "POST",
        "--path",
        "/orders",
        "--routes",
        world.table.path(),
        "--policy",
        world.policy.path(),
    ];
    let text = countersign(&arguments, &clerk).stdout;
    assert!(text.contains("caller       scopes orders:write; roles Clerk; tenant acme\n"), "{text}");
    assert!(text.contains("unmet        role clerk or role manager ("), "{text}");
}
