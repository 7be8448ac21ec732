//! (b) The extractors: verified claims, typed; a caller who meets a requirement; the tenant; as handler arguments.

mod authorized;
mod caller_token;
mod claims;
mod rejection;
mod tenant;
mod token_end;

pub use authorized::Authorized;
pub use claims::{Claims, Registered};
pub use rejection::Rejection;
pub use tenant::Tenant;
