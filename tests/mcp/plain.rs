//! Servers of which nothing is known but what their author declares (S12.06).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::any;
use countersign::prelude::*;
use countersign_mcp::McpLayerBuilder;
use countersign_test::TestIssuer;
use serde_json::json;

use crate::app::{App, NEWEST, call, layer_of, manager, reader, table, token};

const HARMLESS: [(&str, &str); 3] =
    [("mcp-protocol-version", NEWEST), ("mcp-method", "tools/call"), ("mcp-name", "harmless")];

/// A server that runs whatever its body names, and counts.
async fn app(change: impl FnOnce(McpLayerBuilder) -> McpLayerBuilder) -> (App, Arc<AtomicUsize>) {
    let (issuer, ran) = (TestIssuer::new(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&ran);
    let server = any(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async { "ran" }
    });
    let router: Router = change(table(layer_of(&issuer))).build().expect("a layer").router(server);
    (App::of(issuer, router).await, ran)
}

#[tokio::test]
async fn s12_06_a_server_that_may_not_compare_gets_only_callers_who_may_do_everything() {
    let (closed, ran) = app(|builder| builder).await;
    for token in [reader(&closed.issuer), manager(&closed.issuer)] {
        for method in ["POST", "GET", "DELETE"] {
            let answer = closed.send(method, Some(&token), &HARMLESS, &call("delete_order")).await;
            assert_eq!(answer.status, 403, "what is not listed is closed, and could be what the body names");
        }
    }
    assert_eq!(ran.load(Ordering::SeqCst), 0);

    let (open, ran) = app(|builder| builder.others(scope("orders:write"))).await;
    for token in [reader(&open.issuer), token(&open.issuer).scope("orders:read").scope("orders:write").sign()] {
        assert_eq!(open.send("POST", Some(&token), &HARMLESS, &call("harmless")).await.status, 403);
    }
    let missing = token(&open.issuer).scope("orders:read").role("manager").sign();
    let answer = open.send("POST", Some(&missing), &HARMLESS, &call("harmless")).await;
    assert!(answer.challenge.contains("scope=\"orders:write orders:read\""), "{}", answer.challenge);
    assert_eq!(ran.load(Ordering::SeqCst), 0);
    assert_eq!(open.send("POST", Some(&manager(&open.issuer)), &HARMLESS, &call("harmless")).await.status, 200);
    assert_eq!(ran.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn s12_06_only_a_declaration_lets_headers_decide() {
    let (app, ran) = app(McpLayerBuilder::server_compares_headers_with_body).await;
    let reader = reader(&app.issuer);
    assert_eq!(app.send("POST", Some(&reader), &HARMLESS, &call("harmless")).await.status, 200);
    assert_eq!(ran.load(Ordering::SeqCst), 1);
    for unclear in [&HARMLESS[1..], &HARMLESS[..2], &[("mcp-protocol-version", "2025-11-25"), HARMLESS[1], HARMLESS[2]]]
    {
        assert_eq!(app.send("POST", Some(&reader), unclear, &call("harmless")).await.status, 403, "{unclear:?}");
    }
    for method in ["GET", "DELETE", "PUT"] {
        assert_eq!(app.send(method, Some(&reader), &HARMLESS, &call("harmless")).await.status, 403, "{method}");
    }
    assert_eq!(ran.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn s12_06_unclear_operations_are_a_bad_request_where_the_policy_says_so() {
    let strict = |builder: McpLayerBuilder| builder.server_compares_headers_with_body().refuse_unclear_operations();
    let (app, ran) = app(strict).await;
    let manager = manager(&app.issuer);
    let old = [("mcp-protocol-version", "2025-11-25"), HARMLESS[1], HARMLESS[2]];
    let answer = app.send("POST", Some(&manager), &old, &call("harmless")).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("operation_unclear")));
    assert!(answer.challenge.contains("error=\"invalid_request\""), "{}", answer.challenge);
    assert_eq!(app.send("POST", None, &old, &json!({})).await.status, 401, "strangers learn nothing of it");
    assert_eq!(app.send("POST", Some(&manager), &HARMLESS, &call("harmless")).await.status, 200);
    assert_eq!(ran.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn callers_without_a_token_are_refused_whatever_the_layer_allows() {
    let lax = |builder: McpLayerBuilder| {
        let builder = builder.authenticate(|layer| layer.allow_anonymous().public(["/mcp"]));
        builder.every_request(scope("a").shadowed()).others(scope("b").shadowed()).server_compares_headers_with_body()
    };
    let (app, ran) = app(lax).await;
    let unlisted = [HARMLESS[0], HARMLESS[1], ("mcp-name", "unlisted")];
    for headers in [&HARMLESS[..], &unlisted, &[]] {
        assert_eq!(app.send("POST", None, headers, &call("harmless")).await.status, 401, "{headers:?}");
    }
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}
