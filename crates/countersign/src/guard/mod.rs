//! Guards: a [`Requirement`](countersign_core::authz::Requirement) as a layer on a route.

mod evaluate;
mod future;
mod layer;
#[cfg(feature = "axum")]
pub(crate) mod operation;
mod request;
mod service;

#[cfg(feature = "axum")]
pub(crate) use evaluate::{Denied, evaluate, lacks_transactions, warn_of_ignored_token, warn_of_missing_parameters};
pub use future::RequireFuture;
pub use layer::{RequireLayer, require};
#[cfg(feature = "axum")]
pub(crate) use request::{HttpFacts, changed_parameter, path_parameters};
pub use service::Require;
