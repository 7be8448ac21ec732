//! The service that an edge asks over HTTP.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};
use tower::service_fn;

use super::kind::Edge;
use super::peers::TrustedPeers;
use crate::decision::{EdgeDecision, RequestChanges};
use crate::gateway::{Gateway, WaitingRequest};
use crate::problem;

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
        let service = Arc::new(self);
        // A service instead of a handler, whose future would be on the heap once more.
        Router::new().fallback_service(service_fn(move |check: Request| {
            let asked = service.asked(check);
            let service = Arc::clone(&service);
            async move {
                Ok::<_, Infallible>(match asked {
                    Ok(response) => response,
                    Err(waiting) => {
                        // On the heap: few requests wait, and the future of all others is small.
                        let decision = Box::pin(waiting.decision()).await;
                        service.response(decision)
                    }
                })
            }
        }))
    }

    /// The response, or the request if it has to wait.
    fn asked(&self, check: Request) -> Result<Response, Box<WaitingRequest>> {
        let (parts, _) = check.into_parts();
        let asked = match self.peers.accept(&parts.extensions) {
            true => self.edge.client_request(parts),
            false => Err(problem::UNTRUSTED_PEER),
        };
        match asked {
            Ok(asked) => Ok(self.response(self.gateway.decide_now(asked, self.edge.foreign_headers())?)),
            Err(problem) => Ok(problem.response().map(Body::from)),
        }
    }

    fn response(&self, decision: EdgeDecision) -> Response {
        match decision {
            EdgeDecision::Allowed(changes) => self.permission(changes),
            EdgeDecision::Refused(refusal) if refusal.status().as_u16() < 400 => {
                problem::NO_PERMISSION.response().map(Body::from)
            }
            EdgeDecision::Refused(refusal) => refusal.map(Body::from),
        }
    }

    fn permission(&self, changes: RequestChanges) -> Response {
        let RequestChanges { set, remove, mut answer } = changes;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::OK;
        let headers = response.headers_mut();
        // What is set comes before what is added to the client's response.
        *headers = set;
        headers.entry(header::CACHE_CONTROL).or_insert(const { HeaderValue::from_static("no-store") });
        if !answer.is_empty() {
            headers.keys().for_each(|name| drop(answer.remove(name)));
            headers.extend(answer);
        }
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
