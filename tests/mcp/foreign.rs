//! A server with three tools, and the clients and the login server that nobody here wrote.

use axum::Router;
use countersign::authz::any_authenticated;
use countersign::prelude::*;
use countersign_mcp::{McpLayer, caller};
use countersign_tests::http::Service;
use countersign_tests::peers::{Running, answer, node};
use countersign_tests::repeats;
use rmcp::model::{ErrorData, ServerCapabilities, ServerConfig};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The revisions that clients speak: all of them in CI, two elsewhere.
pub fn revisions() -> &'static [&'static str] {
    &["2026-07-28", "2025-06-18", "2025-11-25"][..repeats(2, 3)]
}

#[derive(Clone)]
struct Shop;

#[tool_router]
impl Shop {
    #[tool(description = "The caller")]
    async fn whoami(&self, context: RequestContext<RoleServer>) -> Result<String, ErrorData> {
        Ok(caller(&context)?.subject().to_owned())
    }

    #[tool(description = "Deletes an order")]
    async fn delete_order(&self) -> String {
        "deleted".to_owned()
    }

    #[tool(description = "Closes the shop")]
    async fn close_shop(&self) -> String {
        "closed".to_owned()
    }
}

#[tool_handler]
impl ServerHandler for Shop {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

fn app(url: &str, issuer: TrustedIssuer) -> Router {
    let verifier = Verifier::new(issuer).expect("a verifier");
    let mcp = McpLayer::with_verifier(url, verifier)
        .every_request(scope("orders:read"))
        .tool("whoami", any_authenticated())
        .tool("delete_order", scope("orders:write"))
        .tool("close_shop", role("manager"))
        .build()
        .expect("a layer");
    mcp.rmcp_router(|| Ok(Shop), StreamableHttpServerConfig::default())
}

/// The server, and the address of its endpoint. `issuer` gets this address as audience.
pub async fn serve(issuer: impl FnOnce(&str) -> TrustedIssuer) -> (Service, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/mcp", listener.local_addr().expect("bound"));
    let app = app(&url, issuer(&url));
    (Service::on(listener, app), url)
}

/// oidc-provider, with the settings of `peers/mcp_login.mjs`.
pub struct LoginServer(Running);

impl LoginServer {
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let mut command = node("mcp_login.mjs");
        command.envs(settings.iter().copied()).env("NODE_NO_WARNINGS", "1");
        LoginServer(Running::start(command))
    }

    pub fn text(&self, pointer: &str) -> &str {
        self.0.ready.pointer(pointer).and_then(Value::as_str).expect("text")
    }

    pub fn user(&self, name: &str) -> Value {
        json!({ "name": name, "password": "any", "redirect": self.text("/redirect") })
    }

    pub fn trusted(&self, url: &str) -> TrustedIssuer {
        oidc(self.text("/issuer")).audience(url).map_authorities(|mapping| mapping.roles_at("/roles"))
    }
}

/// Runs the client of this revision, on a thread of its own.
pub async fn client(url: &str, revision: &str, who: (&str, Value), tools: &[&str]) -> Value {
    let calls: Vec<Value> = tools.iter().map(|tool| json!({ "tool": tool })).collect();
    let mut input = json!({ "url": url, "revision": revision, "calls": calls });
    input[who.0] = who.1;
    tokio::task::spawn_blocking(move || answer(node("mcp_client.mjs"), &input)).await.expect("ran")
}

/// The texts of the results, or the errors.
pub fn results(found: &Value) -> Vec<&str> {
    let calls = found["calls"].as_array().expect("a list").iter();
    calls.map(|call| call["text"].as_str().or(call["error"].as_str()).expect("one")).collect()
}

/// The statuses of the endpoint's answers.
pub fn statuses(found: &Value) -> Vec<u64> {
    let answers = found["answers"].as_array().expect("a list").iter();
    answers.filter(|answer| answer["path"] == "/mcp").filter_map(|answer| answer["status"].as_u64()).collect()
}

/// The scopes that the user was asked for, each time in alphabetical order.
pub fn asked(found: &Value) -> Vec<String> {
    let all = found["authorizations"].as_array().expect("a list").iter();
    let scopes = all.map(|authorization| authorization["scope"].as_str().expect("text"));
    let sorted = scopes.map(|scopes| {
        let mut names: Vec<&str> = scopes.split(' ').collect();
        names.sort_unstable();
        names.join(" ")
    });
    sorted.collect()
}
