//! A whole app that is closed unless a route says otherwise, and the table that shows it.
//!
//! axum does not tell which routes a router has; [`Routes`] is a thin wrapper that remembers them. Each route names who may
//! call it, so that none can be left open by forgetting, and [`protect`] puts the authenticator around all of them.

mod access;
#[cfg(feature = "utoipa")]
mod openapi;
mod protect;
mod routes;
mod table;

pub use access::Access;
pub use protect::{Protected, protect};
pub use routes::Routes;
pub use table::{Route, RouteTable};
