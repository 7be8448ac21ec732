//! Calls out of tools, with a token that is exchanged for the called service (S12.09).

use std::sync::{Arc, Mutex};

use axum::extract::Request;
use axum::routing::get;
use axum::{Router, http::header};
use countersign::authz::any_authenticated;
use countersign::mint::Draft;
use countersign::prelude::*;
use countersign::secret::Secret;
use countersign_issuer::{Audience, Client, ExchangeRule, Issuer};
use countersign_mcp::{McpLayer, caller};
use countersign_test::TestIssuer;
use countersign_tests::http::Service;
use rmcp::ServerHandler;
use rmcp::model::*;
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use serde_json::json;
use tokio::net::TcpListener;

use crate::app::{App, RESOURCE};

const SECRET: &str = "quaint-heron-lifts-49";

/// Its tools call `billing`, or another service, on the caller's behalf.
#[derive(Clone)]
struct Orders {
    outbound: Outbound,
    billing: String,
    elsewhere: String,
}

impl Orders {
    /// What the service at `url` answers, or the kind of the error.
    async fn asked(&self, url: &str, context: &RequestContext<RoleServer>) -> Result<String, ErrorData> {
        let token =
            caller(context)?.token().ok_or_else(|| ErrorData::internal_error("the layer keeps no token", None))?;
        let request = self.outbound.client().get(url);
        Ok(match self.outbound.on_behalf_of(token).send(request).await {
            Ok(response) => response.text().await.expect("a body"),
            Err(error) => format!("{:?}", error.kind()),
        })
    }
}

impl ServerHandler for Orders {
    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let text = match &*request.name {
            "list_invoices" => self.asked(&self.billing, &context).await?,
            "ask_elsewhere" => self.asked(&self.elsewhere, &context).await?,
            // The client alone, which knows no caller.
            _ => {
                let response = self.outbound.client().get(&self.elsewhere).send().await.expect("an answer");
                response.text().await.expect("a body")
            }
        };
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }
}

/// An issuer at which the MCP server may act for its callers when it calls `billing`.
async fn issuer() -> (Issuer, Service) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let name = format!("http://{}", listener.local_addr().expect("an address"));
    let rule = ExchangeRule::new(["billing"]).subject_audiences([RESOURCE]);
    let server = Client::new("orders-server").secret(Secret::from(SECRET));
    let issuer = Issuer::builder(&name)
        .add_audience(Audience::new(RESOURCE).scopes(["orders:read", "invoices:read"]))
        .add_audience(Audience::new("billing").scopes(["invoices:read"]))
        .add_client(server.audiences(["billing"]).scopes(["invoices:read"]).add_exchange_rule(rule))
        .build()
        .expect("a sound configuration");
    let service = Service::on(listener, issuer.router());
    (issuer, service)
}

/// The second service. It answers with what it knows of its caller, and remembers the tokens that it got.
async fn billing(issuer: &Issuer, got: Arc<Mutex<Vec<String>>>) -> Service {
    let invoices = async move |claims: Claims, request: Request| {
        let line = request.headers().get(header::AUTHORIZATION).and_then(|line| line.to_str().ok());
        got.lock().expect("no panic").push(line.unwrap_or_default().to_owned());
        let audiences: Vec<&str> = claims.verified().audiences().collect();
        json!([claims.subject(), claims.actor(), audiences]).to_string()
    };
    let verifier = Verifier::new(issuer.trusted_for("billing")).expect("a verifier");
    let app = Router::new().route("/", get(invoices).layer(require(scope("invoices:read"))));
    Service::start(app.layer(AuthenticateLayer::new(verifier))).await
}

/// A service of somebody else, which answers with the tokens that it got.
async fn elsewhere(called: Arc<Mutex<usize>>) -> Service {
    let answer = async move |request: Request| {
        *called.lock().expect("no panic") += 1;
        format!("{} tokens", request.headers().get_all(header::AUTHORIZATION).iter().count())
    };
    Service::start(Router::new().route("/", get(answer))).await
}

#[tokio::test]
async fn s12_09_a_tool_exchanges_its_callers_token_for_one_of_the_called_service() {
    let (issuer, _serving) = issuer().await;
    let (got, called) = <(Arc<Mutex<Vec<String>>>, Arc<Mutex<usize>>)>::default();
    let (billing, elsewhere) = (billing(&issuer, Arc::clone(&got)).await, elsewhere(Arc::clone(&called)).await);
    let tokens = ClientCredentials::from_issuer(issuer.name())
        .client("orders-server", Secret::from(SECRET))
        .audience("billing")
        .scope("invoices:read");
    let outbound = Outbound::builder(reqwest::Client::new()).bind(billing.url(), tokens).build().expect("bound");

    let verifier = Verifier::new(issuer.trusted_for(RESOURCE)).expect("a verifier");
    let mcp = McpLayer::with_verifier(RESOURCE, verifier)
        .tool("list_invoices", scope("orders:read"))
        .tool("ask_elsewhere", any_authenticated())
        .tool("ask_elsewhere_alone", any_authenticated())
        .authenticate(|layer| layer.keep_caller_token())
        .build()
        .expect("a layer");
    let orders = Orders { outbound, billing: billing.url(), elsewhere: elsewhere.url() };
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
    let app = App::of(TestIssuer::new(), mcp.rmcp_router(move || Ok(orders.clone()), config)).await;

    let token = |scope: &str| {
        let draft = Draft::access_token().subject("ann").audience(RESOURCE).client_id("desk").scope(scope);
        issuer.mint(&draft).expect("minted").as_str().to_owned()
    };
    let text = async |token: &str, tool: &str| {
        let answer = app.call(token, tool).await;
        answer.json()["result"]["content"][0]["text"].as_str().expect(&answer.text).to_owned()
    };
    let ann = token("orders:read invoices:read");
    let seen = text(&ann, "list_invoices").await;
    assert_eq!(seen, json!(["ann", "orders-server", ["billing"]]).to_string());
    let sent = got.lock().expect("no panic").remove(0);
    assert!(sent.starts_with("Bearer ey") && !sent.contains(&ann), "not her own token");

    // The exchange gives no scope that she does not have, and the call is not made.
    assert_eq!(text(&token("orders:read"), "list_invoices").await, "TokenRefused");
    assert!(got.lock().expect("no panic").is_empty());

    assert_eq!(text(&ann, "ask_elsewhere").await, "OriginNotBound");
    assert_eq!(*called.lock().expect("no panic"), 0, "nothing was sent");
    assert_eq!(text(&ann, "ask_elsewhere_alone").await, "0 tokens");
    assert_eq!(*called.lock().expect("no panic"), 1);
}
