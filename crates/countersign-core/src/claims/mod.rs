//! The claims of a verified token.

mod error;
mod schema;
mod tenant;
pub(crate) mod typed;

pub use error::{ClaimsError, ClaimsErrorKind};
pub use schema::{Evolving, Newer, Oldest, Schema, SchemaCount, SchemaSeen, schema_counts};
pub use tenant::{TenantId, TenantKey};
pub use typed::FromClaims;
pub(crate) use typed::TypedClaims;
