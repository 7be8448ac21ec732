//! The running inspector, and services around it.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Html;
use axum::routing::{any, get};
use axum::{Json, Router};
use countersign::authenticate::AuthenticateLayer;
use countersign::extract::Claims;
use countersign::keys::RemoteKeys;
use countersign::policy::NeedsAudience;
use countersign::proof::{Dpop, Nonces};
use countersign::verify::Verifier;
use countersign_test::TestIssuer;
use countersign_tests::ports::free_port;
use serde_json::json;
use tokio::net::TcpListener;

use crate::run::Server;

/// The running command.
pub(crate) struct Inspector {
    pub(crate) server: Server,
    /// `http://127.0.0.1:PORT/#run=SECRET`
    pub(crate) url: String,
    pub(crate) jwks: String,
}

impl Inspector {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, |command| command)
    }

    pub(crate) fn start_with(arguments: &[&str], set: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        let server = Server::start_with("inspect", arguments, set);
        let text = |name: &str| server.text(name).to_owned();
        Inspector { url: text("url"), jwks: text("jwks"), server }
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn authority(&self) -> String {
        self.origin().trim_start_matches("http://").to_owned()
    }

    /// `http://127.0.0.1:PORT`, which names the inspector as an issuer.
    pub(crate) fn origin(&self) -> &str {
        self.url.split_once("/#").expect("a fragment").0
    }

    /// The secret of this run.
    pub(crate) fn secret(&self) -> &str {
        self.url.split_once("#run=").expect("a secret").1
    }
}

/// Serves `router` on a free loopback port; returns its address without a trailing slash.
pub(crate) async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// A service guarded as in production.
pub(crate) fn guarded(verifier: Verifier) -> Router {
    let hello = |claims: Claims| async move { format!("orders of {}", claims.subject()) };
    Router::new().route("/orders", get(hello)).layer(AuthenticateLayer::new(verifier))
}

/// A service that takes bound tokens with their proofs, with nonces; returns its address.
pub(crate) async fn serve_taking_bound(verifier: Verifier) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    let dpop = Dpop::at(&address).nonces(Nonces::generate().expect("random numbers"));
    let layer = AuthenticateLayer::builder(verifier).dpop(dpop).build().expect("a layer");
    let hello = |claims: Claims| async move { format!("orders of {}", claims.subject()) };
    let router = Router::new().route("/orders", get(hello)).layer(layer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// A verifier that trusts the running inspector's tokens.
pub(crate) fn trusting(inspector: &Inspector) -> Verifier {
    let keys = RemoteKeys::from_url(&inspector.jwks);
    let issuer = NeedsAudience::new(inspector.origin(), Arc::new(keys)).audience("orders");
    Verifier::new(issuer).expect("a policy")
}

/// An unguarded service: any token passes.
pub(crate) fn open() -> Router {
    Router::new().fallback(any(|headers: HeaderMap| async move {
        match headers.contains_key(header::AUTHORIZATION) {
            true => (StatusCode::OK, "let in"),
            false => (StatusCode::UNAUTHORIZED, ""),
        }
    }))
}

/// A foreign page, and a count of requests for its keys.
pub(crate) fn foreign() -> Router {
    let count = Arc::new(AtomicU64::new(0));
    let keys = |State(count): State<Arc<AtomicU64>>| async move {
        count.fetch_add(1, Ordering::SeqCst);
        Json(json!({ "keys": [] }))
    };
    let counted =
        |State(count): State<Arc<AtomicU64>>| async move { Json(json!({ "count": count.load(Ordering::SeqCst) })) };
    Router::new()
        .route("/", get(|| async { Html("<!doctype html><title>foreign</title><body>") }))
        .route("/favicon.ico", get(|| async { "" }))
        .route("/keys", any(keys))
        .route("/count", get(counted))
        .with_state(count)
}

/// A URL with a closed port.
pub(crate) fn closed_port() -> String {
    format!("http://127.0.0.1:{}/keys", free_port())
}

/// An issuer with the system clock.
pub(crate) fn issuer() -> TestIssuer {
    TestIssuer::with_system_clock()
}
