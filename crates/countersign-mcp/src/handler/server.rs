//! Servers whose handlers check the table too.

use std::io;
use std::sync::Arc;

use axum::Router;
use countersign::authenticate::Authenticate;
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{SessionManager, StreamableHttpServerConfig, StreamableHttpService};

use super::guarded::GuardedHandler;
use crate::access::ServerTrust;
use crate::layer::McpLayer;
use crate::service::McpService;

impl McpLayer {
    /// Serves the handlers of `factory` at the path of the server's address, with the document of the metadata.
    ///
    /// Each handler is [guarded](Self::guard), so clients of all protocol versions can use the server. The host of the server's
    /// address is added to `allowed_hosts` of `config`, unless that list is empty.
    pub fn rmcp_router<H: ServerHandler>(
        &self,
        factory: impl Fn() -> Result<H, io::Error> + Send + Sync + 'static,
        config: StreamableHttpServerConfig,
    ) -> Router {
        self.router_of(self.rmcp_service(factory, Arc::new(LocalSessionManager::default()), config))
    }

    /// The same as a service, with the sessions of `sessions`: for `Router::nest_service`, beside
    /// [`metadata_router`](Self::metadata_router).
    ///
    /// If `sessions` has an event store, streams cannot be resumed: rmcp replays them without regard to who opened them.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use axum::Router;
    /// use countersign_mcp::McpLayer;
    /// use rmcp::ServerHandler;
    /// use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
    /// use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
    ///
    /// fn app<H: ServerHandler + Clone>(mcp: &McpLayer, handler: H) -> Router {
    ///     let sessions = Arc::new(LocalSessionManager::default());
    ///     let server = mcp.rmcp_service(move || Ok(handler.clone()), sessions, StreamableHttpServerConfig::default());
    ///     let nested = Router::new().nest_service("/mcp", server);
    ///     Router::new().nest("/api", nested).merge(mcp.metadata_router())
    /// }
    /// ```
    pub fn rmcp_service<H: ServerHandler, M: SessionManager>(
        &self,
        factory: impl Fn() -> Result<H, io::Error> + Send + Sync + 'static,
        sessions: Arc<M>,
        mut config: StreamableHttpServerConfig,
    ) -> Authenticate<McpService<StreamableHttpService<GuardedHandler<H>, M>>> {
        if !config.allowed_hosts.is_empty() {
            config.allowed_hosts.extend(self.host());
        }
        // The type of the handler is the proof that every operation is checked inside, by the names that the body has. And rmcp
        // compares the headers with the body, from the version on that the layer demands.
        let replays_any_stream = sessions.event_store().is_some();
        let trust = ServerTrust { compares_headers: true, checks_inside: true, replays_any_stream };
        let layer = self.clone();
        let guarded = move || factory().map(|handler| layer.guard(handler));
        self.around(StreamableHttpService::new(guarded, sessions, config), trust)
    }

    /// Wraps a handler so that each of its operations demands what the table requires, of the caller in the context.
    ///
    /// Without a caller every operation answers an error, over every transport.
    pub fn guard<H: ServerHandler>(&self, handler: H) -> GuardedHandler<H> {
        GuardedHandler::new(handler, Arc::clone(&self.access), Arc::clone(&self.binding))
    }
}
