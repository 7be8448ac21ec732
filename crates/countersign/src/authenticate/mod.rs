//! The layer that authenticates every request.
//!
//! [`AuthenticateLayer`] reads the bearer token, verifies it and records the caller on the request. Guards and extractors
//! behind it read that record.

mod addition;
mod admission;
mod api_key;
mod asked;
mod authenticated;
mod authenticator;
mod builder;
mod caller_token;
mod cookie;
#[cfg(feature = "axum")]
mod coverage;
mod credential;
pub mod danger;
#[cfg(feature = "axum")]
pub(crate) mod direct;
#[cfg(feature = "axum")]
mod form;
mod future;
mod header;
mod layer;
mod locations;
mod opaque;
mod preflight;
mod public_paths;
mod query;
mod scheme;
mod service;
#[cfg_attr(not(feature = "txn"), allow(dead_code, reason = "only the feature makes a layer take them"))]
mod transaction;
mod websocket;

pub use api_key::{ApiKeyAnswer, ApiKeyCheck, ApiKeySource};
pub(crate) use asked::AskedAbout;
#[cfg(feature = "axum")]
pub(crate) use authenticated::GuardId;
pub(crate) use authenticated::LayerContext;
pub use authenticated::{Authenticated, AuthenticationStatus};
pub use builder::AuthenticateLayerBuilder;
pub use caller_token::CallerToken;
pub use cookie::CookieToken;
#[cfg(feature = "axum")]
pub use form::{FormToken, FormTokenLayer};
pub use future::AuthenticateFuture;
pub use header::HeaderToken;
pub use layer::AuthenticateLayer;
pub use preflight::PreflightEnd;
pub use service::Authenticate;
#[cfg(feature = "outbound")]
pub(crate) use transaction::TXN_TOKEN;
