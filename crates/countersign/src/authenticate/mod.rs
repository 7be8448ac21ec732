//! (a) The layer: every request is authenticated, or answered.

mod caller;
mod credential;
mod future;
mod layer;
mod public;
mod service;

pub(crate) use caller::Shared;
pub use caller::{Authenticated, CallerToken, Standing};
pub use future::ResponseFuture;
pub use layer::AuthenticateLayer;
pub use service::Authenticate;
