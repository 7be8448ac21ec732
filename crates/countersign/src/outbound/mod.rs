//! Calls to other services: tokens are fetched and refreshed in the background, and sent only to the origin they are bound to.
//!
//! [`Outbound`] wraps a [`reqwest::Client`]. Each origin is bound to a [`TokenSource`]; a request to any other origin is
//! refused before it is sent. When a service answers 401, the token that was sent is dropped, a new one is fetched and the
//! request is sent once more.
//!
//! For other tower HTTP clients, such as tonic's channel, there is [`AttachTokenLayer`]; for stacks of the crate
//! `reqwest-middleware` there is `AttachTokenMiddleware` (feature of that name).
//!
//! A token can be bound to a key ([`DpopKey`], RFC 9449), so that whoever has only the token cannot use it.
//!
//! ```no_run
//! use countersign::outbound::{ClientCredentials, Outbound};
//! use countersign::secret::Secret;
//!
//! # async fn bill(http: reqwest::Client) -> Result<(), Box<dyn std::error::Error>> {
//! let tokens = ClientCredentials::from_issuer("https://id.example.com")
//!     .client("orders", Secret::from_env("ORDERS_CLIENT_SECRET")?)
//!     .audience("billing")
//!     .scope("invoices:write");
//! let outbound = Outbound::builder(http.clone()) // keep one for the process; clones are cheap
//!     .bind("https://billing.internal", tokens)
//!     .build()?;
//! outbound.send(http.post("https://billing.internal/invoices").body("{}")).await?;
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "axum")]
mod answer;
mod attach;
mod binding;
mod builder;
pub(crate) mod challenge;
mod client;
mod config;
mod current_caller;
mod error;
mod future;
mod layer;
#[cfg(feature = "reqwest-middleware")]
mod middleware;
#[cfg(feature = "txn")]
mod new_transaction;
mod nonce;
mod origin;
mod proof;
mod repeat;
mod replay_body;
mod request_copy;
mod retry;
mod service;
mod source;
mod trace;
#[cfg_attr(not(feature = "txn"), allow(dead_code, reason = "only the feature states transactions"))]
mod transaction;
#[cfg(feature = "txn")]
mod transaction_client;

pub use crate::client::{Assertion, SecretSource};
pub use crate::refresh::RefreshPolicy;
pub use builder::OutboundBuilder;
pub use challenge::{StepUpChallenge, demands_nonce};
pub use client::Outbound;
pub use current_caller::{ProvideCaller, ProvideCallerLayer};
pub use error::{OutboundError, OutboundErrorKind};
pub use future::AttachTokenFuture;
pub use layer::AttachTokenLayer;
#[cfg(feature = "reqwest-middleware")]
pub use middleware::AttachTokenMiddleware;
#[cfg(feature = "txn")]
pub use new_transaction::NewTransaction;
pub use repeat::{RepeatOnNonce, RepeatOnNonceLayer};
pub use replay_body::ReplayBody;
pub use service::AttachToken;
pub use source::{
    ClientCredentials, DpopKey, FileToken, ForwardedToken, OutboundContext, OutboundToken, SelfSignedToken,
    StaticToken, TokenFuture, TokenRequest, TokenSource, TokenStats,
};
#[cfg(feature = "txn")]
pub use transaction_client::TransactionClient;
