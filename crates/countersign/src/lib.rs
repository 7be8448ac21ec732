//! JWT authentication and authorization for axum and tower services.
//!
//! Four parts, one folder each, to be read in this order:
//!
//! - [`authenticate`]: the layer. Every request is verified, and a token seen before costs next to nothing.
//! - [`extract`]: typed claims and the tenant as handler arguments.
//! - [`guard`]: requirements (scopes, roles, permissions, tenants) as layers on routes.
//! - [`outbound`]: the right token on calls to other services, and only there.
//!
//! Beneath them: [`issuers`], [`keys`] (discovery, JWKS, rotation) and the kernel's modules ([`policy`], [`verify`],
//! [`authz`], [`key`], [`error`] and so on), re-exported under their own names. Most users need the [`prelude`] alone:
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use countersign::prelude::*;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let verifier = Verifier::new(oidc("https://id.example.com").audience("orders"))?;
//!     let app = Router::new()
//!         .route("/orders", get(list).layer(require(scope("orders:read"))))
//!         .route("/health", get(|| async { "ok" }))
//!         .layer(AuthenticateLayer::new(verifier).public(["/health"])); // last: all else needs a token
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//!     Ok(axum::serve(listener, app).await?)
//! }
//!
//! async fn list(claims: Claims) -> String {
//!     format!("orders of {}", claims.subject())
//! }
//! ```
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `axum` | yes | [`extract`], path parameters in guards, and [`app`]: a whole app closed by default |
//! | `remote-keys` | yes | [`keys`]: OIDC discovery, JWKS addresses, files, Kubernetes; [`issuers`]; [`health`] |
//! | `outbound` | yes | [`outbound`]: service tokens on calls |
//! | `reqwest-middleware` | no | `outbound::AttachTokenMiddleware`, for stacks of that crate |
//! | `grpc` | no | [`grpc`]: layer, guards and claims in tonic services |
//! | `utoipa` | no | security requirements in OpenAPI documents, from the table of routes |
//! | `config` | no | policies in TOML and in environment variables (JSON needs no feature) |
//!
//! Without any: the layer and the guards over keys that you supply, for every tower HTTP service. Features add API; none
//! changes behaviour.

#[cfg(feature = "axum")]
pub mod app;
pub mod authenticate;
#[cfg(feature = "axum")]
pub mod extract;
#[cfg(feature = "fetch")]
#[cfg_attr(
    not(all(feature = "remote-keys", feature = "outbound")),
    allow(dead_code, unreachable_pub, reason = "keys and tokens each use a part of it")
)]
mod fetch;
#[cfg(feature = "grpc")]
pub mod grpc;
pub mod guard;
#[cfg(feature = "remote-keys")]
pub mod health;
#[cfg(feature = "remote-keys")]
pub mod issuers;
#[cfg(feature = "remote-keys")]
pub mod keys;
pub mod lifetime;
#[cfg(feature = "outbound")]
pub mod outbound;
pub mod prelude;
#[cfg(feature = "fetch")]
#[cfg_attr(
    not(all(feature = "remote-keys", feature = "outbound")),
    allow(dead_code, unreachable_pub, reason = "keys and tokens each use a part of it")
)]
mod refresh;
pub mod response;
pub mod revocation;
#[cfg(feature = "fetch")]
mod rt;
mod telemetry;

#[cfg(feature = "outbound")]
pub use countersign_core::mint;
pub use countersign_core::{
    authz, claims, clock, error, key, policy, pseudonym, redact, requirement, secret, token, verify,
};
