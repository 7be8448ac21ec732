//! (b) The extractors: verified claims, typed, and the tenant, as handler arguments.

mod caller_token;
mod claims;
mod rejection;
mod tenant;

pub use claims::Claims;
pub use rejection::Rejection;
pub use tenant::Tenant;
