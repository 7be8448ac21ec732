//! Extractors: typed claims, a caller that meets a requirement, and the tenant as handler arguments.

mod authorized;
mod caller_token;
mod claims;
mod rejection;
mod tenant;
mod token_end;
#[cfg(feature = "txn")]
mod transaction;

pub use authorized::Authorized;
#[cfg(feature = "grpc")]
pub(crate) use claims::decode;
pub use claims::{Claims, Registered};
pub use rejection::Rejection;
#[cfg(feature = "grpc")]
pub(crate) use rejection::{caller, caller_for, caller_or_anonymous};
pub use tenant::Tenant;
#[cfg(feature = "txn")]
pub use transaction::Transaction;
