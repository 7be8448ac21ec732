//! Tokens for the services behind, minted in this process by an embedded issuer (feature `issuer`).

mod claims;
mod internal_token;
mod minter;

pub use internal_token::InternalToken;
pub(crate) use minter::Minter;
