//! Evaluation of the grants for an authenticated client.

mod client_credentials;
mod error;
mod evaluate;
mod exchange;
mod granted;
mod request;

pub(crate) use error::GrantError;
pub(crate) use evaluate::evaluate;
pub(crate) use granted::Granted;

#[cfg(test)]
mod tests;
