//! What a verified token says.

mod error;
mod tenant;
mod typed;

pub use error::ClaimsError;
pub use tenant::{TenantId, TenantKey};
pub(crate) use typed::TypedClaims;
pub use typed::{FromClaims, TokenClaims};
