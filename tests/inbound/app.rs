//! The service under test.

use axum::Router;
use axum::routing::{any, get};
use countersign::authenticate::{AuthenticateLayer, AuthenticateLayerBuilder};
use countersign::prelude::*;
use countersign_test::{TestIssuer, TokenDraft};
use countersign_tests::http::Service;

/// Answers with the subject, or `nobody`.
pub async fn who(claims: Option<Claims>) -> String {
    claims.map_or_else(|| "nobody".to_owned(), |claims| claims.subject().to_owned())
}

pub fn layer(issuer: &TestIssuer) -> AuthenticateLayer {
    AuthenticateLayer::new(issuer.verifier_for("api"))
}

pub fn builder(issuer: &TestIssuer) -> AuthenticateLayerBuilder {
    AuthenticateLayer::builder(issuer.verifier_for("api"))
}

pub fn router() -> Router {
    Router::new().route("/", any(who)).route("/orders", get(who).post(who)).route("/health", get(who))
}

/// An issuer and a service that accepts its tokens; `/health` is public.
pub async fn service() -> (TestIssuer, Service) {
    let issuer = TestIssuer::new();
    let layer = builder(&issuer).public(["/health"]).build().expect("a layer");
    let service = Service::start(router().layer(layer)).await;
    (issuer, service)
}

/// A token that the service accepts.
pub fn good(issuer: &TestIssuer) -> TokenDraft {
    issuer.token().subject("u1").audience("api").scope("read write")
}
