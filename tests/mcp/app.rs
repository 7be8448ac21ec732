//! The servers under test, and requests by hand.

use std::sync::{Arc, Mutex};

use axum::Router;
use countersign::authz::any_authenticated;
use countersign::prelude::*;
use countersign_mcp::{McpLayer, McpLayerBuilder, caller};
use countersign_test::{TestIssuer, TokenDraft};
use countersign_tests::http::Service;
use reqwest::Client;
use rmcp::ServerHandler;
use rmcp::model::*;
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use serde_json::{Value, json};

pub const RESOURCE: &str = "https://mcp.test/mcp";
pub const NEWEST: &str = "2026-07-28";

/// A handler with three tools, a prompt and a resource, which remembers what ran.
#[derive(Clone, Default)]
pub struct Orders {
    ran: Arc<Mutex<Vec<String>>>,
}

impl Orders {
    pub fn ran(&self) -> Vec<String> {
        std::mem::take(&mut *self.ran.lock().expect("no panic"))
    }

    fn run(&self, name: impl Into<String>) -> String {
        let name = name.into();
        let text = format!("ran {name}");
        self.ran.lock().expect("no panic").push(name);
        text
    }
}

impl ServerHandler for Orders {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().enable_prompts().enable_resources().build())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if request.name == "sees_token" {
            let parts = context.extensions.get::<http::request::Parts>().expect("the head of the request");
            let is_seen = parts
                .headers
                .values()
                .any(|value| value.as_bytes().windows(4).any(|part| part == b"eyJ0" || part == b"eyJh"));
            return Ok(CallToolResult::success(vec![ContentBlock::text(is_seen.to_string())]).into());
        }
        if request.name == "self_checked" {
            let caller = caller(&context)?;
            caller.require(&scope("orders:read").and(scope("orders:write")))?;
        }
        Ok(CallToolResult::success(vec![ContentBlock::text(self.run(request.name))]).into())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let names = ["harmless", "list_orders", "delete_order", "Delete_order", "self_checked"];
        let tool = |name: &'static str| Tool::new(name, "a tool", Arc::new(JsonObject::default()));
        Ok(ListToolsResult::with_all_items(names.map(tool).to_vec()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        self.run(request.name);
        Ok(GetPromptResult::new(Vec::new()).into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(vec![Prompt::new("review", Some("a prompt"), None)]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        self.run(request.uri);
        Ok(ReadResourceResult::new(Vec::new()).into())
    }
}

/// The table of the tests.
pub fn table(builder: McpLayerBuilder) -> McpLayerBuilder {
    builder
        .tool("harmless", any_authenticated())
        .tool("self_checked", any_authenticated())
        .tool("list_orders", scope("orders:read"))
        .tool("delete_order", scope("orders:read").and(scope("orders:write")).and(role("manager")))
        .prompt("review", scope("orders:read"))
        .resource("orders://17", scope("orders:read"))
        .resources_under("public://", any_authenticated())
        .resources_under("public://internal/", role("manager"))
}

pub struct App {
    pub issuer: TestIssuer,
    pub orders: Orders,
    pub service: Service,
    http: Client,
}

pub struct Sent {
    pub status: u16,
    pub challenge: String,
    pub session: Option<String>,
    pub text: String,
}

impl Sent {
    /// The JSON of the body, also if it is the one event of a stream.
    pub fn json(&self) -> Value {
        let line = self.text.lines().filter_map(|line| line.strip_prefix("data:")).find(|line| line.contains('{'));
        serde_json::from_str(line.unwrap_or(&self.text)).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }
}

impl App {
    pub async fn new() -> Self {
        Self::with(|builder| builder, |config| config.with_legacy_session_mode(false).with_json_response(true)).await
    }

    pub async fn with(
        change: impl FnOnce(McpLayerBuilder) -> McpLayerBuilder,
        config: impl FnOnce(StreamableHttpServerConfig) -> StreamableHttpServerConfig,
    ) -> Self {
        let issuer = TestIssuer::new();
        let orders = Orders::default();
        let mcp = change(table(layer_of(&issuer))).build().expect("a layer");
        let handler = orders.clone();
        let router = mcp.rmcp_router(move || Ok(handler.clone()), config(StreamableHttpServerConfig::default()));
        let service = Service::start(router).await;
        App { issuer, orders, service, http: Client::new() }
    }

    pub async fn of(issuer: TestIssuer, router: Router) -> Self {
        App { issuer, orders: Orders::default(), service: Service::start(router).await, http: Client::new() }
    }

    /// Sends these headers, in this order and as often as they are named.
    pub async fn send(&self, method: &str, token: Option<&str>, headers: &[(&str, &str)], body: &Value) -> Sent {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.http.request(method, format!("{}/mcp", self.service.url())).body(body.to_string());
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let common = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
        for (name, value) in common.iter().chain(headers) {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("an answer");
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (challenge, session) = (header("www-authenticate").unwrap_or_default(), header("mcp-session-id"));
        let status = response.status().as_u16();
        Sent { status, challenge, session, text: response.text().await.expect("a body") }
    }

    /// Calls a tool as a client of the newest version does.
    pub async fn call(&self, token: &str, tool: &str) -> Sent {
        let headers = [("mcp-protocol-version", NEWEST), ("mcp-method", "tools/call"), ("mcp-name", tool)];
        self.send("POST", Some(token), &headers, &call(tool)).await
    }
}

pub fn layer_of(issuer: &TestIssuer) -> McpLayerBuilder {
    McpLayer::with_verifier(RESOURCE, issuer.verifier_for(RESOURCE))
}

pub fn token(issuer: &TestIssuer) -> TokenDraft {
    issuer.token().subject("ann").client_id("desk").audience(RESOURCE)
}

/// May list, and no more.
pub fn reader(issuer: &TestIssuer) -> String {
    token(issuer).scope("orders:read").sign()
}

/// May do everything.
pub fn manager(issuer: &TestIssuer) -> String {
    token(issuer).scope("orders:read").scope("orders:write").role("manager").sign()
}

/// The body of a request, with the metadata of the newest version.
pub fn message(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": NEWEST,
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

/// The body of a request of an older version.
pub fn old_message(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

pub fn call(tool: &str) -> Value {
    message("tools/call", json!({ "name": tool, "arguments": {} }))
}

pub fn old_call(tool: &str) -> Value {
    old_message("tools/call", &json!({ "name": tool, "arguments": {} }))
}
