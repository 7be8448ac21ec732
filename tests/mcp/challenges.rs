//! What a refused operation needs (S12.04), and scopes and roles that imply others (S12.05).

use std::sync::Arc;

use countersign::authz::Authorities;
use countersign::prelude::*;
use countersign_mcp::McpLayer;
use countersign_test::TestIssuer;
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;

use crate::app::{App, Orders, RESOURCE, reader, token};

#[tokio::test]
async fn s12_04_one_challenge_names_all_scopes_of_the_operation() {
    let app = App::with(|builder| builder.tool("two", scope("a").and(scope("b"))), |config| config).await;
    let answer = app.call(&token(&app.issuer).scope("a").sign(), "two").await;
    assert_eq!(answer.status, 403);
    assert!(answer.challenge.contains("error=\"insufficient_scope\""), "{}", answer.challenge);
    assert!(answer.challenge.contains("scope=\"a b\""), "the granted one too: {}", answer.challenge);
    assert!(answer.challenge.contains("resource_metadata=\"https://mcp.test/.well-known/"), "{}", answer.challenge);
    assert_eq!(answer.challenge.matches("Bearer").count(), 1);
    assert_eq!(app.call(&token(&app.issuer).scope("a").scope("b").sign(), "two").await.status, 200);

    // Only the role is unmet: another scope would not help (S5.05).
    let answer = app.call(&token(&app.issuer).scope("orders:read").scope("orders:write").sign(), "delete_order").await;
    assert_eq!((answer.status, answer.challenge.as_str()), (403, ""));
    assert_eq!(answer.json()["code"], "forbidden");
    assert_eq!(app.orders.ran(), ["two"]);
}

#[tokio::test]
async fn s12_05_a_broader_scope_and_a_higher_role_satisfy_narrower_ones() {
    let issuer = TestIssuer::new();
    let authorities = Authorities::new()
        .roles_at("/roles")
        .hierarchy("owner > manager")
        .scope_hierarchy("orders:* > orders:write > orders:read");
    let trusted = issuer.trusted_for(RESOURCE).authorities(authorities);
    let clock = Arc::new(issuer.clock().clone());
    let verifier = Verifier::builder().trust(trusted).clock(clock).build().expect("a verifier");
    let mcp = McpLayer::with_verifier(RESOURCE, verifier)
        .tool("list_orders", scope("orders:read"))
        .tool("delete_order", scope("orders:write").and(role("manager")))
        .build()
        .expect("a layer");
    let router = mcp.rmcp_router(|| Ok(Orders::default()), StreamableHttpServerConfig::default());
    let app = App::of(issuer, router).await;
    let broad = token(&app.issuer).scope("orders:*").claim("roles", ["owner"].map(str::to_owned).to_vec()).sign();
    assert_eq!(app.call(&broad, "list_orders").await.status, 200);
    assert_eq!(app.call(&broad, "delete_order").await.status, 200);
    assert_eq!(app.call(&reader(&app.issuer), "delete_order").await.status, 403, "nothing implies upwards");
    let similar = token(&app.issuer).scope("orders:").scope("orders").scope("*").sign();
    assert_eq!(app.call(&similar, "list_orders").await.status, 403, "names imply nothing by their form");
}
