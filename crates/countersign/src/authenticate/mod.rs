//! (a) The layer: every request is authenticated, or answered.

mod caller;
mod credential;
pub mod danger;
mod future;
mod layer;
mod place;
mod public;
mod service;

pub use caller::{Authenticated, CallerToken, Standing};
pub(crate) use caller::{Mark, Shared};
pub use future::ResponseFuture;
pub use layer::AuthenticateLayer;
pub use place::CookieToken;
pub use service::Authenticate;
