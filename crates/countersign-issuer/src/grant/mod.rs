//! Evaluation of the grants for an authenticated client.

mod client_credentials;
mod context;
mod error;
mod evaluate;
mod exchange;
mod granted;
mod identity_assertion;
mod request;
mod transaction;

pub(crate) use error::GrantError;
pub(crate) use evaluate::{GrantRequest, evaluate};
pub(crate) use granted::{Granted, GrantedToken};
pub(crate) use identity_assertion::is_identity_assertion;
pub(crate) use transaction::TXN_TOKEN;

#[cfg(test)]
mod tests;
