//! Issuers that are found while serving, such as tenants in a database.

mod directory;
mod issuers;
mod look_up;
mod name;
mod policy;

pub use issuers::ResolvedIssuers;
pub use policy::ResolvePolicy;
