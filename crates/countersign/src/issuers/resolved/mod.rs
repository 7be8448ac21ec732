//! Issuers that are resolved by name at run time, such as tenants in a database.

mod entry;
mod eviction;
mod issuer_cache;
mod issuers;
mod known_names;
mod lookup;
mod name;
mod policy;
mod resolver;
#[cfg(test)]
mod simulated_floods;
mod uncached;

pub use issuers::ResolvedIssuers;
pub use policy::ResolvePolicy;
