//! Issuers that are resolved by name at run time, such as tenants in a database.

mod issuer_cache;
mod issuers;
mod lookup;
mod lookup_limit;
mod name;
mod policy;
mod resolver;

pub use issuers::ResolvedIssuers;
pub use policy::ResolvePolicy;
