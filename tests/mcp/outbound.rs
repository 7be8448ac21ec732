//! Calls out of tools (S12.09).

use countersign::outbound::{ForwardedToken, Outbound, OutboundErrorKind};
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
        let error = self.outbound.on_behalf_of(token).send(request).await.expect_err("refused");
        let kind = format!("{:?}", error.kind());
        assert_eq!(error.kind(), OutboundErrorKind::ForwardingRefused);
        Ok(CallToolResult::success(vec![ContentBlock::text(kind)]).into())
    }
}

#[tokio::test]
async fn s12_09_a_token_for_this_server_is_not_passed_on_and_no_tool_sees_it() {
    let app = App::with(|builder| builder.tool("sees_token", countersign::authz::any_authenticated()), |config| config);
    let app = app.await;
    let seen = app.call(&reader(&app.issuer), "sees_token").await;
    assert!(seen.text.contains("\"false\""), "{}", seen.text);

    let target =
        Service::start(axum::Router::new().fallback(|| async { panic!("called with a token of another") })).await;
    let sources = ForwardedToken::new("https://orders.test");
    let outbound = Outbound::builder(reqwest::Client::new()).bind(target.url(), sources).build().expect("bound");
    let issuer = countersign_test::TestIssuer::new();
    let mcp = table(layer_of(&issuer)).authenticate(|layer| layer.keep_caller_token()).build().expect("a layer");
    let handler = Forwarding { outbound, url: target.url() };
    let router = mcp.rmcp_router(move || Ok(handler.clone()), StreamableHttpServerConfig::default());
    let app = App::of(issuer, router).await;
    let answer = app.call(&reader(&app.issuer), "harmless").await;
    assert!(answer.text.contains("ForwardingRefused"), "{} {}", answer.status, answer.text);
}
