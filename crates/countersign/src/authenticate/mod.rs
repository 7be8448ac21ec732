//! (a) The layer: every request is authenticated, or answered.

mod caller;
mod credential;
pub mod danger;
#[cfg(feature = "axum")]
mod form;
mod future;
mod layer;
mod place;
mod public;
mod service;

pub use caller::{Authenticated, AuthenticationStatus, CallerToken};
pub(crate) use caller::{Mark, Shared};
#[cfg(feature = "axum")]
pub use form::{FormToken, FormTokenLayer};
pub use future::AuthenticateFuture;
pub use layer::AuthenticateLayer;
pub use place::CookieToken;
pub use service::Authenticate;
