//! (c) The guards: a [`Requirement`](countersign_core::authz::Requirement) as a layer on a route.

mod facts;
mod future;
mod judge;
mod layer;
mod service;

#[cfg(feature = "axum")]
pub(crate) use facts::{FactsOf, path_parameters};
pub use future::RequireFuture;
#[cfg(feature = "axum")]
pub(crate) use judge::{judge, warn_of_missing_parameters};
pub use layer::{RequireLayer, require};
pub use service::Require;
