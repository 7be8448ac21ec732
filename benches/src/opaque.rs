//! A layer that asks an endpoint about opaque tokens.

use std::time::Duration;

use axum::Router;
use axum::routing::post;
use countersign::authenticate::AuthenticateLayer;
use countersign::introspect::Introspection;
use countersign_core::verify::Verifier;
use tokio::net::TcpListener;
use tower_layer::Layer as _;
use tower_service::Service as _;

use crate::sample::{AUDIENCE, ISSUER};
use crate::services::{Bare, request};

/// The longest that is accepted: the endpoint is asked once about each token.
const LASTING: Duration = Duration::from_secs(600);

/// An opaque token with this number, of the length that an authorization server gives it.
#[must_use]
pub fn token(number: usize) -> String {
    format!("ZvQ2mJr8Lx0aT5cYkWnB3dHsPgUe7iOfQq1R2s3{number:04x}")
}

/// A layer of `verifier` that has asked about `tokens`. The caller's runtime serves the endpoint.
///
/// # Panics
/// If a token is refused.
pub async fn layer(verifier: Verifier, tokens: &[String]) -> AuthenticateLayer {
    let claims = format!(r#"{{"active":true,"sub":"ann","aud":"{AUDIENCE}","exp":4000000000,"token_type":"Bearer"}}"#);
    let answer = move || async move { ([("content-type", "application/json")], claims) };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = format!("http://{}/introspect", listener.local_addr().expect("bound"));
    let router = Router::new().route("/introspect", post(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let settings = Introspection::at_issuer(ISSUER).endpoint(endpoint).client("api", "secret").max_age(LASTING);
    let layer = AuthenticateLayer::builder(verifier).introspection(settings).build().expect("a layer");
    for token in tokens {
        let Ok(response) = layer.layer(Bare).call(request(token)).await;
        assert!(response.status().is_success(), "{}", response.status());
    }
    layer
}
