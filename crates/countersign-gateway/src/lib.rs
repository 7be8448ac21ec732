//! Decisions for edges that exist: nginx, Caddy, HAProxy, Traefik and Envoy ask whether a request may pass.
//!
//! [`Rules`] hold the policy and the route table that services use, behind the library's own layer and guards, so that edge and
//! service decide alike. A request is decided about only if its address has one reading ([`Target`]). Headers that name the
//! caller belong to the gateway ([`ReservedHeaders`]): a client may send none of them, in whatever spelling.
//!
//! The command `countersign gateway` runs it from a [`GatewayConfig`]. A proxy in Rust decides in its own process
//! ([`DecideLayer`]). In a service of your own:
//!
//! ```no_run
//! use axum::ServiceExt as _;
//! use countersign::app::RouteTable;
//! use countersign::prelude::*;
//! use countersign_gateway::{Edge, ForwardAuth, Gateway, IdentityValue, ReservedHeaders, Rules};
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = Verifier::new(oidc("https://id.example.com").audience("orders"))?;
//! let table = RouteTable::from_json(&std::fs::read_to_string("routes.json")?)?;
//! let headers = ReservedHeaders::new().set("x-caller", IdentityValue::Subject).build()?;
//! let gateway = Gateway::new(Rules::new(&table, AuthenticateLayer::new(verifier), headers)?);
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:9001").await?;
//! let checks = ForwardAuth::new(gateway, Edge::Nginx); // answers this machine only
//! axum::serve(listener, checks.into_make_service_with_connect_info::<std::net::SocketAddr>()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! The modules, from the lowest to the highest:
//!
//! 1. `octets`, `target`, `identity/`, `problem`: the normal form of addresses, the headers of callers, refusals of the gateway itself.
//! 2. `request`, `decision`, `counts`: what an edge asks, the answer, and how often each was given.
//! 3. `mint/`, `swap`: a token for the next service in place of the client's credential, minted here or exchanged elsewhere.
//! 4. `reach`, `rules`, `gateway`, `metrics/`: the decision, its replacement while it runs, and its numbers.
//! 5. `decide`, `edge/`: the decision in the process of a proxy in Rust; how each other edge tells the client's request.
//! 6. `config/`: a gateway as data.
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `config` | yes | configurations in TOML |
//! | `grpc` | no | `ExtAuthz`: Envoy's ext_authz over gRPC |
//! | `metrics` | no | `GatewayMetrics`: numbers for the recorder of the crate `metrics` |
//! | `otel` | no | `GatewayMetrics`: numbers for OpenTelemetry's meter provider |
//! | `issuer` | no | `InternalToken`: swaps to tokens that an embedded issuer mints in the same process |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod attach;
mod begin;
mod config;
mod counts;
mod decide;
mod decision;
mod edge;
mod exchange;
mod gateway;
mod identity;
#[cfg(any(feature = "metrics", feature = "otel"))]
mod metrics;
#[cfg(feature = "issuer")]
mod mint;
mod octets;
mod problem;
mod reach;
mod request;
mod rules;
mod swap;
mod target;
mod waits;

#[cfg(feature = "config")]
pub use config::WatchedGateway;
pub use config::{
    ApiKeysConfig, AuditConfig, ChallengeConfig, CookieConfig, DpopConfig, EmbeddedIssuerConfig, GatewayConfig,
    IdentityConfig, LimitsConfig, ListenAddress, MetricsConfig, MintConfig, SwapConfig, SwapTransactionConfig,
};
pub use decide::{Decide, DecideLayer};
pub use decision::{EdgeDecision, RequestChanges};
#[cfg(feature = "grpc")]
pub use edge::ExtAuthz;
pub use edge::{Edge, ForwardAuth, ForwardAuthFuture, TrustedPeers, UnixPeer};
pub use gateway::Gateway;
pub use identity::{IdentityValue, ReservedHeaders};
#[cfg(any(feature = "metrics", feature = "otel"))]
pub use metrics::{DECISION_TIME_BUCKETS, GatewayMetrics};
#[cfg(feature = "issuer")]
pub use mint::InternalToken;
pub use request::ClientRequest;
pub use rules::{ForeignHeaders, Rules};
pub use swap::Swap;
pub use target::{AmbiguousTarget, Target};
