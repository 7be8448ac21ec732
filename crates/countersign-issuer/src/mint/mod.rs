//! Signing of access tokens (RFC 9068).

mod error;
mod issue;
mod minted_token;

pub use error::MintError;
pub use minted_token::MintedToken;
