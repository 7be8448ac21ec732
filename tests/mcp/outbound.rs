//! Calls out of tools (S12.09).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::any;
use countersign::outbound::{ForwardedToken, Outbound};
use countersign_mcp::caller;
use countersign_tests::http::Service;
use rmcp::ServerHandler;
use rmcp::model::*;
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;

use crate::app::{App, layer_of, reader, table};

/// Calls another service for its caller, without an exchange.
#[derive(Clone)]
struct Forwarding {
    outbound: Outbound,
    url: String,
}

impl ServerHandler for Forwarding {
    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let caller = caller(&context)?;
        let token = caller.token().ok_or_else(|| ErrorData::internal_error("the layer keeps no token", None))?;
        let request = self.outbound.client().get(&self.url);
        let result = self.outbound.on_behalf_of(token).send(request).await;
        let kind = result.map_or_else(|error| format!("{:?}", error.kind()), |_| "sent".to_owned());
        Ok(CallToolResult::success(vec![ContentBlock::text(kind)]).into())
    }
}

#[tokio::test]
async fn s12_09_a_token_for_this_server_is_not_passed_on_and_no_tool_sees_it() {
    let app = App::with(|builder| builder.tool("sees_token", countersign::authz::any_authenticated()), |config| config);
    let app = app.await;
    let seen = app.call(&reader(&app.issuer), "sees_token").await;
    assert!(seen.text.contains("\"false\""), "{}", seen.text);

    let called = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&called);
    let target = any(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async { "called" }
    });
    let target = Service::start(Router::new().fallback_service(target)).await;
    let sources = ForwardedToken::new("https://orders.test");
    let outbound = Outbound::builder(reqwest::Client::new()).bind(target.url(), sources).build().expect("bound");
    let issuer = countersign_test::TestIssuer::with_system_clock();
    let mcp = table(layer_of(&issuer)).authenticate(|layer| layer.keep_caller_token()).build().expect("a layer");
    let handler = Forwarding { outbound, url: target.url() };
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
    let router = mcp.rmcp_router(move || Ok(handler.clone()), config);
    let app = App::of(issuer, router).await;
    let answer = app.call(&reader(&app.issuer), "harmless").await;
    assert!(answer.text.contains("ForwardingRefused"), "{} {}", answer.status, answer.text);
    assert_eq!(called.load(Ordering::SeqCst), 0, "the target got no token of another service");
}
