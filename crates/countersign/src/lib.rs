//! JWT authentication and authorization for axum and tower services.
//!
//! Inbound requests:
//!
//! - [`authenticate`]: the layer, which verifies the token of every request. A token seen before costs a cache lookup.
//! - [`guard`]: requirements (scopes, roles, permissions, tenants) as layers on routes.
//! - [`extract`]: typed claims and the tenant as handler arguments.
//! - [`introspect`]: opaque tokens, by asking the authorization server that issued them.
//! - [`app`]: an app in which every route needs a token unless it states otherwise, with a table of its routes.
//! - [`grpc`]: layer, guards and claims in tonic services.
//! - [`revocation`]: checks for revoked and for single-use tokens; `receivers` of logouts and shared signals.
//! - [`status`]: token status lists, as a revocation check.
//! - [`lifetime`]: the end of streams and downloads whose token expires.
//! - [`audit`]: an event for each decision, as JSON lines or through `tracing`.
//! - [`response`]: the responses to refused requests, and the metadata of the resource.
//!
//! Keys and calls:
//!
//! - [`keys`]: sources of keys (discovery, JWKS, files, Kubernetes) with their refresh.
//! - [`issuers`]: issuers of known providers, and issuers that are resolved at run time.
//! - [`health`]: whether a verifier has the keys that it needs.
//! - [`fleet`]: what each instance of many services has in force, reported to one place.
//! - [`outbound`]: tokens on calls to other services, and only to those.
//! - [`connection`]: TLS roots, client certificate and proxy of the connections that fetch keys and tokens.
//!
//! The modules of `countersign-core` ([`policy`], [`verify`], [`authz`], [`key`], [`error`] and others) are re-exported under
//! their own names. Most services need only the [`prelude`]:
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
//!         .layer(AuthenticateLayer::builder(verifier).public(["/health"]).build()?); // last: it covers all routes above
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
//! | `axum` | yes | [`extract`], [`app`], and path parameters in guards |
//! | `remote-keys` | yes | [`keys`]: OIDC discovery, JWKS addresses, files, Kubernetes; [`issuers`]; [`health`]; [`reload`] |
//! | `outbound` | yes | [`outbound`]: service tokens on calls |
//! | `mtls` | no | `tls`, TLS for axum servers with certificates of clients |
//! | `reqwest-middleware` | no | `outbound::AttachTokenMiddleware`, for stacks of that crate |
//! | `introspection` | no | [`introspect`]: opaque tokens, by asking the authorization server (RFC 7662, RFC 9701) |
//! | `grpc` | no | [`grpc`]: layer, guards and claims in tonic services |
//! | `txn` | no | transaction tokens (draft-ietf-oauth-transaction-tokens-10) in the layer, guards and outbound calls, and requests for them |
//! | `utoipa` | no | security requirements in OpenAPI documents, from the table of routes |
//! | `metrics` | no | [`metrics`]: numbers for the recorder of the crate of that name |
//! | `otel` | no | [`metrics`]: numbers for OpenTelemetry |
//! | `bundle` | no | [`bundle`] and `reload::PolicyBundle`: signed policies for many services |
//! | `fleet` | no | [`fleet`]: reports of the policy and keys of each instance; includes `bundle` |
//! | `status-list` | no | [`status`]: token status lists (draft-ietf-oauth-status-list-21) as a revocation check |
//! | `config` | no | policies in TOML and in environment variables (JSON needs no feature) |
//!
//! Without features: the layer and the guards with keys that you supply, for every tower HTTP service. Features only add
//! API; none changes behaviour.

#![cfg_attr(docsrs, feature(doc_cfg))]
// Links to items of features that are off lead nowhere; with all features they are checked.
#![cfg_attr(
    not(all(
        feature = "grpc",
        feature = "utoipa",
        feature = "txn",
        feature = "remote-keys",
        feature = "bundle",
        feature = "fleet",
        feature = "status-list",
        feature = "outbound",
        feature = "introspection",
        feature = "reqwest-middleware",
        feature = "metrics",
        feature = "otel"
    )),
    allow(rustdoc::broken_intra_doc_links)
)]

#[cfg(feature = "axum")]
pub mod app;
pub mod audit;
pub mod authenticate;
#[cfg(feature = "_client")]
#[cfg_attr(
    not(feature = "outbound"),
    allow(dead_code, unreachable_pub, unused_imports, reason = "outbound calls use all of it")
)]
mod client;
#[cfg(feature = "_fetch")]
pub mod connection;
#[cfg(feature = "axum")]
pub mod extract;
#[cfg(feature = "_fetch")]
#[cfg_attr(
    not(all(feature = "remote-keys", feature = "outbound")),
    allow(dead_code, unreachable_pub, unused_imports, reason = "keys and tokens each use a part of it")
)]
mod fetch;
#[cfg_attr(
    not(all(feature = "remote-keys", feature = "outbound")),
    allow(dead_code, unused_imports, reason = "keys and tokens each use a part of it")
)]
mod file;
#[cfg(feature = "fleet")]
pub mod fleet;
#[cfg(feature = "grpc")]
pub mod grpc;
pub mod guard;
#[cfg(feature = "remote-keys")]
pub mod health;
pub mod integration;
#[cfg(feature = "introspection")]
pub mod introspect;
#[cfg(feature = "remote-keys")]
pub mod issuers;
#[cfg(feature = "remote-keys")]
pub mod keys;
pub mod lifetime;
mod listed;
#[cfg(any(feature = "metrics", feature = "otel"))]
pub mod metrics;
#[cfg(feature = "outbound")]
pub mod outbound;
pub mod prelude;
pub mod proof;
pub mod queue;
#[cfg(feature = "axum")]
pub mod receivers;
#[cfg(feature = "_fetch")]
#[cfg_attr(
    not(all(feature = "remote-keys", feature = "outbound")),
    allow(dead_code, unreachable_pub, reason = "keys and tokens each use a part of it")
)]
mod refresh;
#[cfg(feature = "remote-keys")]
pub mod reload;
pub mod response;
pub mod revocation;
#[cfg_attr(
    not(feature = "_fetch"),
    allow(dead_code, unused_imports, unreachable_pub, reason = "without fetches only its time limit is used")
)]
mod rt;
#[cfg(feature = "status-list")]
pub mod status;
mod telemetry;
#[cfg(feature = "mtls")]
pub mod tls;

#[cfg(feature = "bundle")]
pub use countersign_core::bundle;
#[cfg(feature = "outbound")]
pub use countersign_core::mint;
#[cfg(all(feature = "introspection", not(feature = "outbound")))]
pub use countersign_core::mint;
pub use countersign_core::{
    authz, claims, clock, error, fips, inspect, key, policy, pseudonym, requirement, secret, token, verify,
};
