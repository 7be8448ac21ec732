//! Requirements inside the server, without the layer and behind it (S12.07).

use std::sync::Arc;

use axum::Router;
use countersign::authenticate::AuthenticateLayer;
use countersign_test::TestIssuer;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};

use crate::app::{App, Orders, layer_of, manager, old_call, reader, table, token};

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
