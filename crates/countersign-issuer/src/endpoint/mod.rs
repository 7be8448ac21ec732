//! Requests in, typed values out; answers exactly as the RFCs write them.

mod about;
mod authentication;
mod discovery;
mod error;
mod form;
mod introspection;
mod jwks;
mod revocation;
mod token;

pub(crate) use authentication::{Presented, Proof};
pub(crate) use discovery::document;
pub(crate) use error::OAuthError;
pub(crate) use form::Form;

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::routing::{get, post};

use crate::server::Issuer;

/// Every endpoint at its place under the issuer's name, and nothing that is not served.
pub(crate) fn router(issuer: Issuer) -> Router {
    let base = issuer.base_path().to_owned();
    Router::new()
        .route(&format!("{base}/token"), post(token::token))
        .route(&format!("{base}/introspect"), post(introspection::introspection))
        .route(&format!("{base}/revoke"), post(revocation::revocation))
        .route(&format!("{base}/jwks"), get(jwks::jwks))
        .route(&format!("{base}/.well-known/openid-configuration"), get(discovery::discovery))
        .route(&format!("/.well-known/oauth-authorization-server{base}"), get(discovery::discovery))
        .with_state(issuer)
}

/// The address of the caller, where the server was started with `into_make_service_with_connect_info`.
fn peer(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip())
}
