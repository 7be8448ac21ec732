//! The MCP server: three tools, and the table of what each requires.

use axum::Router;
use countersign::authz::any_authenticated;
use countersign::error::ConfigError;
use countersign::prelude::*;
use countersign_mcp::{McpLayer, caller};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{ErrorData, ServerCapabilities, ServerConfig};
use rmcp::schemars::JsonSchema;
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use serde::Deserialize;

/// The server at `address`, for tokens of the issuer at `issuer`.
pub fn app(address: &str, issuer: &str) -> Result<Router, ConfigError> {
    let mcp = McpLayer::builder(address, oidc(issuer))
        .tool("list_shops", any_authenticated())
        .tool("list_orders", scope("orders:read"))
        .tool("delete_order", scope("orders:read").and(scope("orders:write")))
        .build()?;
    Ok(mcp.rmcp_router(|| Ok(Orders), StreamableHttpServerConfig::default()))
}

#[derive(Clone)]
struct Orders;

#[derive(Deserialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
struct OrderNumber {
    /// The number of the order.
    number: u32,
}

#[tool_router]
impl Orders {
    #[tool(description = "Lists the shops")]
    async fn list_shops(&self) -> String {
        "Bristol, Leeds".to_owned()
    }

    #[tool(description = "Lists the orders of the caller")]
    async fn list_orders(&self, context: RequestContext<RoleServer>) -> Result<String, ErrorData> {
        Ok(format!("order 17 of {}", caller(&context)?.subject()))
    }

    #[tool(description = "Deletes an order")]
    async fn delete_order(&self, Parameters(order): Parameters<OrderNumber>) -> String {
        format!("order {} is deleted", order.number)
    }
}

#[tool_handler]
impl ServerHandler for Orders {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}
