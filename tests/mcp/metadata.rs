//! The metadata of the resource (S12.01), the first challenge (S12.02), and the audience (S12.03).

use axum::Router;
use axum::routing::post;
use countersign::prelude::*;
use countersign_mcp::{McpLayer, McpLayerBuilder};
use countersign_test::TestIssuer;
use countersign_tests::http::Service;
use serde_json::json;

use crate::app::{App, RESOURCE, layer_of, table, token};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

fn builder(issuer: &TestIssuer, resource: &str) -> McpLayerBuilder {
    McpLayer::with_verifier(resource, issuer.verifier_for(resource))
        .tool("list_orders", scope("orders:read"))
        .tool("delete_order", role("manager").or(scope("orders:admin")))
        .every_request(scope("mcp"))
        .offer_scopes(["offline_access", "profile"])
}

#[tokio::test]
async fn s12_01_the_document_is_at_the_path_of_the_endpoint_without_a_token() {
    let issuer = TestIssuer::new();
    for (path, document) in [("/mcp", "/mcp"), ("/a/b/mcp", "/a/b/mcp"), ("/", "")] {
        let resource = format!("https://mcp.test{path}");
        let mcp = builder(&issuer, &resource).build().expect("a layer");
        let direct: Router = mcp.router(post(|| async { "in" }));
        // Nested, the service sees a shorter path than the client.
        let nested = match path.rsplit_once('/') {
            Some((outer @ "/a/b", inner)) => {
                let server = post(|| async { "in" }).layer(mcp.clone());
                let inner = Router::new().route_service(&format!("/{inner}"), server);
                Some(Router::new().nest(outer, inner).merge(mcp.metadata_router()))
            }
            _ => None,
        };
        for app in [Some(direct), nested].into_iter().flatten() {
            let service = Service::start(app.route("/health", axum::routing::get(|| async { "ok" }))).await;
            let answer = service.request(&format!("GET {WELL_KNOWN}{document}"), &[]).await;
            assert_eq!(answer.status, 200, "{path}");
            let expected = json!({
                "resource": resource,
                "authorization_servers": [issuer.name()],
                "scopes_supported": ["profile", "mcp", "orders:read", "orders:admin"],
                "bearer_methods_supported": ["header"],
            });
            assert_eq!(answer.json(), expected, "offline_access is not offered");
            let challenged = service.request(&format!("POST {path}"), &["Content-Length: 0"]).await;
            assert_eq!(challenged.status, 401, "{path}");
            let address = format!("resource_metadata=\"https://mcp.test{WELL_KNOWN}{document}\"");
            assert!(challenged.challenge().contains(&address), "{}", challenged.challenge());
            assert!(challenged.challenge().contains("scope=\"mcp\""), "S12.02: {}", challenged.challenge());
            assert_eq!(service.request("GET /health", &[]).await.status, 200, "only the server is guarded");
            let other = service.request(&format!("GET {WELL_KNOWN}/other"), &[]).await;
            assert_eq!(other.status, 404, "{path}");
        }
    }
}

#[tokio::test]
async fn s12_02_a_call_without_a_valid_token_learns_the_scopes_that_every_request_needs() {
    let app = App::with(|builder| builder.every_request(scope("mcp").and(scope("openid"))), |config| config).await;
    for token in [None, Some(token(&app.issuer).expired().sign())] {
        let answer = app.send("POST", token.as_deref(), &[], &json!({})).await;
        assert_eq!(answer.status, 401);
        assert!(answer.challenge.contains("scope=\"mcp openid\""), "{}", answer.challenge);
        assert!(answer.challenge.contains("resource_metadata="), "{}", answer.challenge);
    }
    let all = app.call(&token(&app.issuer).scope("mcp").scope("openid").sign(), "harmless").await;
    assert_eq!((all.status, app.orders.ran().len()), (200, 1));
    let one = app.call(&token(&app.issuer).scope("mcp").sign(), "list_orders").await;
    assert_eq!(one.status, 403);
    let scopes = "scope=\"orders:read mcp openid\"";
    assert!(one.challenge.contains(scopes), "all that the operation needs: {}", one.challenge);
}

#[tokio::test]
async fn s12_03_a_token_for_a_sibling_server_is_refused_even_if_the_policy_accepts_it() {
    let sibling = "https://mcp.test/sibling";
    let issuer = TestIssuer::new();
    let wide = issuer.trusted_for(RESOURCE).add_audience(sibling);
    let clock = std::sync::Arc::new(issuer.clock().clone());
    let wide = Verifier::builder().trust(wide).clock(clock).build().expect("a verifier");
    for builder in [layer_of(&issuer), McpLayer::with_verifier(RESOURCE, wide)] {
        let mcp = table(builder).build().expect("a layer");
        let app = App::of(TestIssuer::new(), mcp.router(post(|| async { "in" }))).await;
        let answer = app.send("POST", Some(&issuer.token().audience(sibling).sign()), &[], &json!({})).await;
        assert_eq!(answer.status, 401);
        assert!(answer.challenge.contains("error=\"invalid_token\""), "{}", answer.challenge);
        let own = app.send("POST", Some(&token(&issuer).sign()), &[], &json!({})).await;
        assert_eq!(own.status, 403, "the right audience, which is not refused as a token: {}", own.challenge);
        let both = issuer.token().audience(sibling).add_audience(RESOURCE).sign();
        assert_eq!(app.send("POST", Some(&both), &[], &json!({})).await.status, 403);
    }
}

#[test]
fn faults_of_the_table_are_named_together() {
    let issuer = TestIssuer::new();
    let error = McpLayer::with_verifier("https://mcp.test/mcp?x", issuer.verifier_for(RESOURCE))
        .tool("", scope("a"))
        .tool("twice", scope("a"))
        .tool("twice", scope("b"))
        .prompt("never", countersign::authz::any_of([]))
        .resources_under("public:/x", scope("a"))
        .method("tools/call", scope("a"))
        .authenticate(|layer| layer.realm("\""))
        .build()
        .expect_err("faults");
    let fields: Vec<&str> = error.faults().iter().map(|fault| &*fault.field).collect();
    assert_eq!(fields, ["resource", "tool", "tool", "prompt", "resources_under", "method", "realm"]);
    let error = McpLayer::builder("http://mcp.test/mcp", oidc("https://id.test")).build().expect_err("plain http");
    assert_eq!(error.faults()[0].field, "resource");
}
