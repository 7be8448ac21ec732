//! An app in which every route needs a token unless it states otherwise, and the table of its routes.
//!
//! axum does not list the routes of a router; [`Routes`] is a thin wrapper that records them. Each route states its
//! [`Access`], so that none is left open by mistake, and [`protect`] adds the authentication layer to all of them.

mod access;
mod data;
pub(crate) mod direct;
mod hidden;
mod matcher;
#[cfg(not(feature = "utoipa"))]
mod no_openapi;
#[cfg(feature = "utoipa")]
mod openapi;
mod protect;
mod routes;
mod same_body;
mod table;

pub use access::Access;
pub use matcher::RouteMatcher;
#[cfg(feature = "utoipa")]
pub use openapi::Unmatched;
pub use protect::{Protected, protect, try_protect};
pub use routes::Routes;
pub use table::{Route, RouteTable};
