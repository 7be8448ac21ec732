//! The token service: its keys, the rules for its own tokens, federation, identity providers and revocation.

mod federation;
mod identity_providers;
mod issuer;
mod own_tokens;
mod received;
mod revocation;
mod revocations;
mod revoke;
mod subject_issuers;
mod trust_domains;

pub(crate) use federation::{FederationError, Federations};
pub(crate) use identity_providers::{Asserted, IDENTITY_ASSERTION_TYPE, IdentityProviders};
pub use issuer::Issuer;
pub(crate) use issuer::Parts;
pub(crate) use own_tokens::own_token_verifier;
pub use received::ReceivedRevocations;
pub use revocation::RevocationError;
pub(crate) use revocations::Revocations;
pub(crate) use subject_issuers::OutsideSubject;
pub(crate) use trust_domains::TrustDomains;

#[cfg(test)]
mod tests;
