//! (d) Calls to other services: the right token, fetched ahead of need, and only where it belongs.
//!
//! [`Outbound`] wraps a [`reqwest::Client`]. Each origin is bound to a [`TokenSource`]; a request to any other origin is
//! refused before it is sent. Where a service answers 401, the token that was sent is dropped, one new one is fetched and
//! the request is sent once more. Users of other tower HTTP clients, tonic's channel among them, stack
//! [`AttachTokenLayer`]; those of `reqwest-middleware` take `AttachTokenMiddleware` (feature of that name).
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
//! let outbound = Outbound::new(http.clone()) // keep one for the process; cheap to clone
//!     .bind("https://billing.internal", tokens)?; // this token can go nowhere else
//! outbound.send(http.post("https://billing.internal/invoices").body("{}")).await?;
//! # Ok(())
//! # }
//! ```

mod attach;
mod binding;
mod challenge;
mod client;
mod current_caller;
mod error;
mod future;
mod layer;
#[cfg(feature = "reqwest-middleware")]
mod middleware;
mod origin;
mod replay;
mod service;
mod source;
mod trace;

pub use challenge::StepUpChallenge;
pub use client::Outbound;
pub use current_caller::{ProvideCaller, ProvideCallerLayer};
pub use error::{OutboundError, OutboundErrorKind};
pub use future::ResponseFuture;
pub use layer::AttachTokenLayer;
#[cfg(feature = "reqwest-middleware")]
pub use middleware::AttachTokenMiddleware;
pub use service::AttachToken;
pub use source::{
    Assertion, ClientCredentials, FileToken, ForwardedToken, OutboundToken, SelfSignedToken, StaticToken, TokenFuture,
    TokenRequest, TokenSource, TokenStats,
};
