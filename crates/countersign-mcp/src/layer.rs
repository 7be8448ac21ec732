//! The layer.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use axum::routing::any;
use countersign::authenticate::{Authenticate, AuthenticateLayer};
use countersign::response::ResourceMetadata;
use http::{StatusCode, Uri};
use tower_layer::Layer;
use tower_service::Service;

use crate::access::{Access, ServerTrust};
#[cfg(feature = "rmcp")]
use crate::binding::CallerBinding;
use crate::service::McpService;
use crate::session::SessionSeal;

/// Authorizes the requests of an MCP server (MCP 2026-07-28, Authorization): token, audience, and the requirement of each
/// tool, prompt and resource.
///
/// It serves the metadata of the resource (RFC 9728) to anyone, and answers refused requests with the challenges that MCP clients
/// need. It reads no bodies. The [crate](crate) tells how it learns which operation a request asks for.
///
/// ```no_run
/// use countersign::prelude::*;
/// use countersign_mcp::McpLayer;
/// use rmcp::ServerHandler;
/// use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
///
/// #[derive(Clone, Default)]
/// struct Orders; // its tools by #[tool_router]
///
/// impl ServerHandler for Orders {}
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let mcp = McpLayer::builder("https://mcp.example.com/mcp", oidc("https://id.example.com"))
///     .tool("list_orders", scope("orders:read"))
///     .tool("delete_order", scope("orders:write").and(role("manager")))
///     .build()?;
/// let app = mcp.rmcp_router(|| Ok(Orders), StreamableHttpServerConfig::default());
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// axum::serve(listener, app).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct McpLayer {
    authenticate: AuthenticateLayer,
    pub(crate) access: Arc<Access>,
    trust: ServerTrust,
    seal: SessionSeal,
    metadata: ResourceMetadata,
    #[cfg(feature = "rmcp")]
    pub(crate) binding: Arc<CallerBinding>,
}

impl McpLayer {
    pub(crate) fn new(
        authenticate: AuthenticateLayer,
        access: Access,
        trust: ServerTrust,
        metadata: ResourceMetadata,
        #[cfg(feature = "rmcp")] binding: CallerBinding,
    ) -> Self {
        McpLayer {
            authenticate,
            access: Arc::new(access),
            trust,
            seal: SessionSeal::new(),
            metadata,
            #[cfg(feature = "rmcp")]
            binding: Arc::new(binding),
        }
    }

    /// The metadata of the resource.
    pub fn metadata(&self) -> &ResourceMetadata {
        &self.metadata
    }

    /// A router with the document of the metadata, for an app in which the layer is on a nested service: merge it at the root.
    ///
    /// ```
    /// use axum::{Router, routing::post};
    /// use countersign_mcp::McpLayer;
    ///
    /// fn app(mcp: &McpLayer, server: Router) -> Router {
    ///     let nested = Router::new().nest_service("/mcp", server.layer(mcp.clone()));
    ///     Router::new().nest("/api", nested).merge(mcp.metadata_router())
    /// }
    /// # let _ = app;
    /// ```
    pub fn metadata_router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let document = self.authenticate.layer(any(|| async { StatusCode::NOT_FOUND }));
        Router::new().route_service(self.metadata.path(), document)
    }

    /// A router with `server` at the path of its address, and with the document of the metadata.
    ///
    /// ```
    /// use axum::{Router, routing::post};
    /// use countersign_mcp::McpLayer;
    ///
    /// fn app(mcp: &McpLayer) -> Router {
    ///     mcp.router(post(|| async { "the server" })).route("/health", axum::routing::get(|| async { "ok" }))
    /// }
    /// # let _ = app;
    /// ```
    pub fn router<S, State>(&self, server: S) -> Router<State>
    where
        State: Clone + Send + Sync + 'static,
        S: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Response: IntoResponse,
        S::Future: Send + 'static,
    {
        let server = tower::ServiceBuilder::new().map_response(IntoResponse::into_response).service(server);
        self.router_of(self.layer(server))
    }

    pub(crate) fn router_of<S, State>(&self, server: S) -> Router<State>
    where
        State: Clone + Send + Sync + 'static,
        S: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
        S::Response: IntoResponse,
        S::Future: Send + 'static,
    {
        self.metadata_router().route_service(&self.path(), server)
    }

    /// The layer around a server of which more is known than the builder states.
    pub(crate) fn around<S>(&self, inner: S, trust: ServerTrust) -> Authenticate<McpService<S>> {
        self.authenticate.layer(McpService::new(inner, Arc::clone(&self.access), trust, self.seal.clone()))
    }

    /// The path of the address.
    fn path(&self) -> String {
        self.access.resource.parse::<Uri>().map_or_else(|_| "/".to_owned(), |uri| uri.path().to_owned())
    }

    /// The host of the address.
    #[cfg(feature = "rmcp")]
    pub(crate) fn host(&self) -> Option<String> {
        self.access.resource.parse::<Uri>().ok()?.host().map(str::to_owned)
    }
}

impl<S> Layer<S> for McpLayer {
    type Service = Authenticate<McpService<S>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.around(inner, self.trust)
    }
}
