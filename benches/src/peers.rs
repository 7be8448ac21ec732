//! The peers behind one interface: a request with a bearer token reaches the service behind the peer, or it does not.
//!
//! Countersign has its defaults, and each peer the strictest settings for access tokens that it offers: issuer, audience, `nbf`, the algorithm of the key,
//! the type of the token, 30 s of leeway.

pub mod checks;
mod jwt;
mod layers;
pub mod tokens;

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use countersign_core::mint::Signer;
use http::{Request, Response};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tower_service::Service;

use crate::sample::{self, ISSUER};

/// The names in reports, in their order.
pub const NAMES: [&str; 8] = [
    "Countersign",
    "jsonwebtoken 12",
    "jwt-authorizer 0.15",
    "tower-oauth2-resource-server 0.12",
    "huskarl-axum 0.1",
    "oauth-resource-server 0.4",
    "axum-oidc-layer 0.2",
    "axum-oidc-layer 0.2, with its cache",
];

/// The name of [`innermost`].
pub const BARE: &str = "bare service";

/// A peer with the keys of one issuer.
pub struct Peer {
    pub name: &'static str,
    accepts: Box<dyn FnMut(Request<Body>) -> bool>,
}

/// An issuer that publishes a key set over loopback.
pub struct Published {
    /// The key set as text.
    pub jwks: String,
    pub address: SocketAddr,
    pub algorithm: countersign_core::key::Algorithm,
}

impl Peer {
    fn new(name: &'static str, accepts: impl FnMut(Request<Body>) -> bool + 'static) -> Self {
        Peer { name, accepts: Box::new(accepts) }
    }

    /// A peer that is a layer around the innermost service; without one, it accepts nothing.
    fn of_service<S, B>(name: &'static str, service: Option<S>) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + 'static,
    {
        let Some(mut service) = service else { return Self::new(name, |_| false) };
        Self::new(name, move |request| {
            let Ok(response) = wait(service.call(request));
            response.status().is_success()
        })
    }

    /// Whether the service behind the peer answers. The caller has entered a runtime.
    pub fn accepts(&mut self, request: Request<Body>) -> bool {
        (self.accepts)(request)
    }
}

/// A request with this bearer token.
#[must_use]
pub fn request(token: &str) -> Request<Body> {
    crate::services::request(token).map(|()| Body::empty())
}

/// The service behind all peers but those that take none.
#[must_use]
pub fn innermost() -> Peer {
    Peer::of_service(BARE, Some(Innermost))
}

/// All peers, in the order of [`NAMES`]. One that cannot be set up with these keys accepts nothing. The caller has entered a runtime, which serves the keys.
#[must_use]
pub fn all(published: &Published) -> Vec<Peer> {
    let mut peers = vec![jwt::countersign(published), jwt::jsonwebtoken(published)];
    peers.extend(layers::older(published));
    peers.extend(layers::newer(published, true));
    assert!(peers.iter().map(|peer| peer.name).eq(NAMES), "a name for each peer");
    peers
}

/// The layers that were published in 2026, without a cache of tokens.
#[must_use]
pub fn newer_layers(published: &Published) -> Vec<Peer> {
    layers::newer(published, false)
}

impl Published {
    /// Serves the public key of `signer`, as it is or after `change`. The caller has entered a runtime.
    #[must_use]
    pub fn of(signer: &Signer, change: impl FnOnce(&mut serde_json::Value)) -> Option<Self> {
        let mut jwks: serde_json::Value = serde_json::from_str(&sample::jwks(signer)?).expect("a key set");
        change(&mut jwks["keys"][0]);
        let jwks = jwks.to_string();
        let address = Handle::current().block_on(serve(jwks.clone()));
        Some(Published { jwks, address, algorithm: signer.algorithm() })
    }

    fn url(&self) -> String {
        format!("http://{}/jwks", self.address)
    }
}

async fn serve(jwks: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let json = |text: String| get(async move || ([("content-type", "application/json")], text));
    let discovery = json!({ "issuer": ISSUER, "jwks_uri": format!("http://{address}/jwks") }).to_string();
    let router = Router::new().route("/jwks", json(jwks)).route("/.well-known/openid-configuration", json(discovery));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Answers 200 to anything.
#[derive(Clone, Copy, Debug)]
struct Innermost;

impl Service<Request<Body>> for Innermost {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        black_box(&request);
        ready(Ok(Response::new(Body::empty())))
    }
}

/// The output of a future, which is mostly ready at once and otherwise fetches keys.
fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => Handle::current().block_on(future),
    }
}
