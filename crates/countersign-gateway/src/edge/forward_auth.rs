//! The service that an edge asks over HTTP.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};

use super::kind::Edge;
use super::peers::TrustedPeers;
use crate::decision::{EdgeDecision, RequestChanges};
use crate::gateway::Gateway;
use crate::problem::{self, Problem};

/// Answers checks of an edge: 200 with the headers to set, or the refusal for the client.
///
/// Only 200 permits. An answer of the layer below 400 that is none, such as that to a CORS preflight, becomes 403.
///
/// ```
/// use countersign::error::ConfigError;
/// use countersign_gateway::{Edge, ForwardAuth, Gateway, TrustedPeers};
///
/// fn router(gateway: Gateway) -> Result<axum::Router, ConfigError> {
///     Ok(ForwardAuth::new(gateway, Edge::Nginx).trusted_peers(TrustedPeers::new(["10.1.0.7"])?).router())
/// }
/// # let _ = router;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ForwardAuth {
    gateway: Gateway,
    edge: Edge,
    peers: TrustedPeers,
}

impl ForwardAuth {
    /// Answers checks of this edge from [this machine](TrustedPeers::loopback).
    ///
    /// The address of the peer is that of `ConnectInfo<SocketAddr>`: serve the router with
    /// `into_make_service_with_connect_info::<SocketAddr>()`. A service that does not record the address answers nobody.
    pub fn new(gateway: Gateway, edge: Edge) -> Self {
        ForwardAuth { gateway, edge, peers: TrustedPeers::loopback() }
    }

    /// Answers these peers in place of this machine; others get 403. Whoever may ask gets the tokens of [swaps](crate::Swap).
    pub fn trusted_peers(mut self, peers: TrustedPeers) -> Self {
        self.peers = peers;
        self
    }

    /// The router, for checks at every path below `/check`.
    pub fn router(self) -> Router {
        Router::new().fallback(check).with_state(self)
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let (parts, _) = request.into_parts();
        if !self.peers.accept(&parts.extensions) {
            return Err(problem::UNTRUSTED_PEER);
        }
        let asked = self.edge.client_request(parts)?;
        match self.gateway.decide(asked, self.edge.foreign_headers()).await {
            EdgeDecision::Allowed(changes) => Ok(self.permission(changes)),
            EdgeDecision::Refused(refusal) if refusal.status().as_u16() < 400 => Err(problem::NO_PERMISSION),
            EdgeDecision::Refused(refusal) => Ok(refusal.map(Body::from)),
        }
    }

    fn permission(&self, changes: RequestChanges) -> Response {
        let RequestChanges { set, remove, answer } = changes;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::OK;
        let headers = response.headers_mut();
        *headers = answer;
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(set); // the first value of a name replaces those that are there
        match self.edge.removal_header() {
            Some(name) => {
                let names: Vec<&str> = remove.iter().map(HeaderName::as_str).collect();
                if let Ok(names) = HeaderValue::from_str(&names.join(","))
                    && !names.is_empty()
                {
                    headers.insert(name, names);
                }
            }
            // An empty value replaces that of the client. Caddy 2.6 writes the name of its variable if there is none.
            None => remove.iter().for_each(|name| drop(headers.insert(name, HeaderValue::from_static("")))),
        }
        response
    }
}

async fn check(State(service): State<ForwardAuth>, request: Request) -> Response {
    service.answer(request).await.unwrap_or_else(|problem| problem.response().map(Body::from))
}
