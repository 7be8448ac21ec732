//! The service that an edge asks over HTTP.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};
use tower_service::Service;

use super::kind::Edge;
use super::peers::TrustedPeers;
use crate::decision::{EdgeDecision, RequestChanges};
use crate::gateway::{Gateway, WaitingRequest};
use crate::problem;

/// The service that answers checks of an edge: 200 with the headers to set, or the refusal for the client.
///
/// Only 200 permits. An answer of the layer below 400 that is none, such as that to a CORS preflight, becomes 403.
///
/// ```no_run
/// use std::net::SocketAddr;
/// use axum::ServiceExt as _;
/// use countersign_gateway::{Edge, ForwardAuth, Gateway, TrustedPeers};
///
/// async fn serve(gateway: Gateway) -> Result<(), Box<dyn std::error::Error>> {
///     let checks = ForwardAuth::new(gateway, Edge::Nginx).trusted_peers(TrustedPeers::new(["10.1.0.7"])?);
///     let listener = tokio::net::TcpListener::bind("10.1.0.8:9000").await?;
///     Ok(axum::serve(listener, checks.into_make_service_with_connect_info::<SocketAddr>()).await?)
/// }
/// # let _ = serve;
/// ```
///
/// A router has it as its `fallback_service`, beside the routes of its own.
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
    /// The address of the peer is that of `ConnectInfo<SocketAddr>`, which `into_make_service_with_connect_info` records. Without
    /// it, nobody gets an answer but 403.
    pub fn new(gateway: Gateway, edge: Edge) -> Self {
        ForwardAuth { gateway, edge, peers: TrustedPeers::loopback() }
    }

    /// Answers these peers in place of this machine; others get 403. Whoever may ask gets the tokens of [swaps](crate::Swap).
    pub fn trusted_peers(mut self, peers: TrustedPeers) -> Self {
        self.peers = peers;
        self
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

impl Service<Request> for ForwardAuth {
    type Response = Response;
    type Error = Infallible;
    type Future = ForwardAuthFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, check: Request) -> ForwardAuthFuture {
        ForwardAuthFuture(match self.asked(check) {
            Ok(response) => Answer::Known(Some(response)),
            Err(waiting) => {
                let service = self.clone();
                Answer::Pending(Box::pin(async move { service.response(waiting.decision().await) }))
            }
        })
    }
}

/// The future of [`ForwardAuth`], which has an example.
#[must_use = "futures do nothing unless polled"]
pub struct ForwardAuthFuture(Answer);

enum Answer {
    Known(Option<Response>),
    /// On the heap: few requests wait, and the future of all others is small.
    Pending(Pin<Box<dyn Future<Output = Response> + Send>>),
}

impl Future for ForwardAuthFuture {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            // Polled again after its end, it never ends.
            Answer::Known(response) => response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response))),
            Answer::Pending(response) => response.as_mut().poll(context).map(Ok),
        }
    }
}

impl fmt::Debug for ForwardAuthFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardAuthFuture").finish_non_exhaustive()
    }
}
