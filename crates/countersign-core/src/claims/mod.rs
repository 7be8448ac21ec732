//! What a verified token says.

mod tenant;
mod typed;

pub use tenant::TenantId;
pub use typed::ClaimsError;
pub(crate) use typed::TypedClaims;
