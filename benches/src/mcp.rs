//! An MCP server's layer and the calls of a tool that the headers name.

use countersign_core::authz::{Authorities, any_authenticated, role, scope};
use countersign_core::mint::Signer;
use countersign_mcp::{McpLayer, McpLayerBuilder};
use http::Request;

use crate::sample::{self, ISSUER};

/// The address of the server: the audience of its tokens.
pub const RESOURCE: &str = "https://mcp.example.com/mcp";

/// The tool that is called.
pub const TOOL: &str = "delete_order";

/// The headers of its calls, besides the token.
pub const HEADERS: [(&str, &str); 5] = [
    ("content-type", "application/json"),
    ("accept", "application/json, text/event-stream"),
    ("mcp-protocol-version", "2026-07-28"),
    ("mcp-method", "tools/call"),
    ("mcp-name", TOOL),
];

/// A layer for tokens of `signer`, with requirements for three tools.
#[must_use]
pub fn layer(signer: &Signer, cache_bytes: usize) -> McpLayerBuilder {
    let trusted = sample::trusted_for(signer, ISSUER, RESOURCE).authorities(Authorities::new().roles_at("/roles"));
    let verifier = sample::builder(cache_bytes).trust(trusted).build();
    McpLayer::with_verifier(RESOURCE, verifier.expect("a good policy"))
        .tool("list_shops", any_authenticated())
        .tool("list_orders", scope("orders:read"))
        .tool(TOOL, scope("orders:write").and(role("manager")))
}

/// A token that may call the tool.
#[must_use]
pub fn token(signer: &Signer, number: usize) -> String {
    sample::token_for(signer, RESOURCE, number)
}

/// A call of the tool with this token.
#[must_use]
pub fn request(token: &str) -> Request<()> {
    let request = Request::post("/mcp").header("authorization", format!("Bearer {token}"));
    let request = HEADERS.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(()).expect("a request")
}
