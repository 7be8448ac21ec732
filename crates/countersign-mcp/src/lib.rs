//! Authorization of MCP servers (Model Context Protocol) with `countersign`.
//!
//! A server that `rmcp` serves needs one table and one call more than without authorization:
//!
//! ```no_run
//! use countersign::authz::any_authenticated;
//! use countersign::prelude::*;
//! use countersign_mcp::McpLayer;
//! # use rmcp::{ServerHandler, transport::streamable_http_server::StreamableHttpServerConfig};
//! # #[derive(Clone, Default)]
//! # struct Orders;
//! # impl ServerHandler for Orders {}
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mcp = McpLayer::builder("https://mcp.example.com/mcp", oidc("https://id.example.com"))
//!     .tool("list_shops", any_authenticated())
//!     .tool("list_orders", scope("orders:read"))
//!     .tool("delete_order", scope("orders:write").and(role("manager")))
//!     .build()?;
//! let app = mcp.rmcp_router(|| Ok(Orders), StreamableHttpServerConfig::default());
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! axum::serve(listener, app).await?;
//! # Ok(())
//! # }
//! ```
//!
//! What the table does not list is closed. Tokens are those that were made for the address of the server. The metadata of RFC
//! 9728 is served beside it, and refused requests get the challenges by which MCP clients find the issuer and the scopes.
//!
//! # Which operation a request asks for
//!
//! The body names it, and the layer reads no bodies: two readers of a body may disagree. From protocol version 2026-07-28 on
//! clients name the operation in headers too, and servers such as rmcp refuse a request whose headers say something else.
//!
//! | request | server of [`rmcp_router`](McpLayer::rmcp_router) | declared to [compare](McpLayerBuilder::server_compares_headers_with_body) | any other server |
//! |---|---|---|---|
//! | exactly one version from 2026-07-28 on, one `Mcp-Method`, and the `Mcp-Name` that the method needs | the operation's requirement, in the layer and again in the handler | the operation's requirement | all requirements together |
//! | all else: older versions, `GET`, `DELETE`, unclear headers | [`every_request`](McpLayerBuilder::every_request) in the layer, the operation's requirement in the handler | all requirements together | all requirements together |
//!
//! With [`refuse_unclear_operations`](McpLayerBuilder::refuse_unclear_operations), the second row is 400 for `POST`. "All requirements"
//! include that of what is not listed: without [`others`](McpLayerBuilder::others) nobody meets it.
//!
//! A refusal in the handler is a JSON-RPC error with the facts of the challenge, since its HTTP status may be sent already.
//!
//! # Sessions and streams
//!
//! The identifier of a session is bound to issuer, subject and client of the caller who opened it: for everybody else it is 404.
//! Streams of events end with the token of their request. The state of a request in several rounds and the identifier of a task are
//! bound in the same way, with the key of [`state_key`](McpLayerBuilder::state_key). A handler does not see the token; for calls on the caller's behalf it
//! is exchanged.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `rmcp` | yes | servers and handlers of the crate `rmcp` 3 |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(not(feature = "rmcp"), allow(rustdoc::broken_intra_doc_links, reason = "links to items of the feature"))]

mod access;
#[cfg(feature = "rmcp")]
mod binding;
mod builder;
mod future;
#[cfg(feature = "rmcp")]
mod handler;
mod headers;
mod layer;
mod service;
mod session;

pub use builder::McpLayerBuilder;
pub use future::McpFuture;
#[cfg(feature = "rmcp")]
pub use handler::{GuardedHandler, McpCaller, caller};
pub use layer::McpLayer;
pub use service::McpService;
