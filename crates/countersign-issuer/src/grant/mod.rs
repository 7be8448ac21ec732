//! Evaluation of the grants for an authenticated client.

mod client_credentials;
mod context;
mod error;
mod evaluate;
mod exchange;
mod granted;
mod request;
mod transaction;

pub(crate) use error::GrantError;
pub(crate) use evaluate::evaluate;
pub(crate) use granted::{Granted, GrantedToken};
pub(crate) use transaction::TXN_TOKEN;

#[cfg(test)]
mod tests;
