//! (c) The guards: a [`Requirement`](countersign_core::authz::Requirement) as a layer on a route.

mod facts;
mod future;
mod layer;
mod service;

pub use future::ResponseFuture;
pub use layer::{RequireLayer, require};
pub use service::Require;
