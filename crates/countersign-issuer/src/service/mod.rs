//! The token service: its keys, the rules for its own tokens, federation and revocation.

mod federation;
mod issuer;
mod own_tokens;
mod revocation;

pub(crate) use federation::{FederationError, Federations};
pub use issuer::Issuer;
pub(crate) use issuer::Parts;
pub(crate) use own_tokens::own_token_verifier;
pub use revocation::RevocationError;

#[cfg(test)]
mod tests;
