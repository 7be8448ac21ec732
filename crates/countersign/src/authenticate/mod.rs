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

pub use caller::{Authenticated, CallerToken, Standing};
pub(crate) use caller::{Mark, Shared};
#[cfg(feature = "axum")]
pub use form::{FormToken, FormTokenLayer};
pub use future::ResponseFuture;
pub use layer::AuthenticateLayer;
pub use place::CookieToken;
pub use service::Authenticate;
