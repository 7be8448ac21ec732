//! Requirements inside the server, without the layer and behind it (S12.07).

use std::sync::Arc;

use axum::Router;
use countersign::authenticate::AuthenticateLayer;
use countersign::authz::any_authenticated;
use countersign::prelude::*;
use countersign_mcp::McpLayerBuilder;
use countersign_test::TestIssuer;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::json;

use crate::app::{App, NEWEST, Orders, layer_of, manager, message, old_call, old_message, reader, table, token};

/// The guarded handler as a server of its own, without the layer.
fn bare(issuer: &TestIssuer) -> (Router, Orders) {
    let orders = Orders::default();
    let guarded = table(layer_of(issuer)).build().expect("a layer").guard(orders.clone());
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
    let server =
        StreamableHttpService::new(move || Ok(guarded.clone()), Arc::new(LocalSessionManager::default()), config);
    (Router::new().nest_service("/mcp", server), orders)
}

#[tokio::test]
async fn s12_07_without_the_layer_every_tool_refuses() {
    let issuer = TestIssuer::new();
    let (router, orders) = bare(&issuer);
    let manager = manager(&issuer);
    let app = App::of(issuer, router).await;
    for tool in ["harmless", "list_orders", "delete_order", "self_checked", "unlisted"] {
        for token in [None, Some(manager.as_str())] {
            let answer = app.send("POST", token, &[], &old_call(tool)).await;
            let error = &answer.json()["error"];
            assert_eq!(error["code"], -32603, "{tool}: {}", answer.text);
            assert!(answer.json()["result"].is_null());
        }
    }
    assert_eq!(orders.ran(), [""; 0]);
}

/// Another layer of the library verifies callers too, and the table is still that of the handler.
#[tokio::test]
async fn s12_07_the_handler_checks_the_caller_whoever_verified_it() {
    let issuer = TestIssuer::new();
    let (router, orders) = bare(&issuer);
    let sibling = issuer.verifier_for("https://mcp.test/sibling");
    let (other, _) = bare(&issuer);
    let own = App::of(issuer, Router::new()).await;
    let layered = router.layer(AuthenticateLayer::new(own.issuer.verifier_for(crate::app::RESOURCE)));
    let app = App::of(TestIssuer::new(), layered).await;
    let answer = app.send("POST", Some(&reader(&own.issuer)), &[], &old_call("list_orders")).await;
    assert_eq!(orders.ran(), ["list_orders"], "{}", answer.text);
    let answer = app.send("POST", Some(&reader(&own.issuer)), &[], &old_call("delete_order")).await;
    assert_eq!(answer.json()["error"]["data"]["status"], 403, "{}", answer.text);
    assert_eq!(orders.ran(), [""; 0]);
    // A token for a sibling, which that layer takes.
    let app = App::of(TestIssuer::new(), other.layer(AuthenticateLayer::new(sibling))).await;
    let token = own.issuer.token().audience("https://mcp.test/sibling").scope("orders:read").sign();
    let answer = app.send("POST", Some(&token), &[], &old_call("list_orders")).await;
    assert_eq!(answer.json()["error"]["data"]["status"], 401, "{}", answer.text);
}

#[tokio::test]
async fn s12_07_one_line_in_a_tool_checks_its_caller() {
    let app = App::new().await;
    let allowed = token(&app.issuer).scope("orders:read").scope("orders:write").sign();
    assert_eq!(app.call(&allowed, "self_checked").await.json()["error"], serde_json::Value::Null);
    assert_eq!(app.orders.ran(), ["self_checked"]);
    let answer = app.call(&reader(&app.issuer), "self_checked").await;
    assert_eq!(answer.json()["error"]["data"]["scope"], "orders:read orders:write", "{}", answer.text);
    assert_eq!(app.orders.ran(), [""; 0]);
}

/// The counts of a requirement in shadow mode.
fn counts(rule: &Requirement) -> (u64, u64) {
    let (_, stats) = rule.shadows().next().expect("a part in shadow mode");
    (stats.met, stats.unmet)
}

#[tokio::test]
async fn s12_07_a_requirement_in_shadow_mode_counts_a_request_once() {
    let (of_tool, of_all) = (role("manager").shadowed(), scope("orders:read").shadowed());
    let (tool, all) = (of_tool.clone(), of_all.clone());
    let change = |builder: McpLayerBuilder| builder.tool("tried", tool.and(any_authenticated())).every_request(all);
    let app = App::with(change, |config| config.with_legacy_session_mode(false).with_json_response(true)).await;
    let reader = reader(&app.issuer);
    let answer = app.call(&reader, "tried").await;
    assert_eq!(app.orders.ran(), ["tried"], "{}", answer.text);
    assert_eq!((counts(&of_tool), counts(&of_all)), ((0, 1), (1, 0)), "decided by the headers");
    let list = [("mcp-protocol-version", NEWEST), ("mcp-method", "tools/list")];
    assert_eq!(app.send("POST", Some(&reader), &list, &message("tools/list", json!({}))).await.status, 200);
    assert_eq!(counts(&of_all), (2, 0), "decided by the headers");
    let old = old_message("tools/list", &json!({}));
    assert_eq!(app.send("POST", Some(&reader), &[], &old).await.status, 200);
    assert_eq!(counts(&of_all), (3, 0), "decided for every request");
    app.send("POST", Some(&reader), &[], &old_call("tried")).await;
    assert_eq!((app.orders.ran().len(), counts(&of_tool)), (1, (0, 2)), "decided by the body");
}

/// What the layer decided for the headers says nothing about another operation in the body.
#[tokio::test]
async fn s12_06_s12_07_a_pass_of_the_layer_is_for_its_operation_only() {
    let app = App::new().await;
    let old = [("mcp-protocol-version", "2025-11-25"), ("mcp-method", "tools/call"), ("mcp-name", "harmless")];
    let answer = app.send("POST", Some(&reader(&app.issuer)), &old, &old_call("delete_order")).await;
    assert_eq!(answer.json()["error"]["data"]["status"], 403, "{}", answer.text);
    assert_eq!(app.orders.ran(), [""; 0]);
}
