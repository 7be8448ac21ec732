//! The claims of a verified token.

mod budget;
mod decode;
mod error;
mod field;
mod principal;
mod schema;
mod tenant;
pub(crate) mod typed;

pub(crate) use budget::DecodedBudget;
pub use error::{ClaimsError, ClaimsErrorKind};
pub use principal::Principal;
pub use schema::{Evolving, Newer, Oldest, Schema, SchemaCount, SchemaSeen, schema_counts};
pub use tenant::{TenantId, TenantKey};
pub use typed::FromClaims;
pub(crate) use typed::TypedClaims;
