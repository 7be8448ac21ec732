//! The configuration of an issuer as data, as `countersign issuer --config issuer.toml` reads it.
//!
//! Unknown fields are refused.

mod audience;
mod client;
mod federation;
mod file;
mod identity_provider;
mod issuer;
#[cfg(not(feature = "config"))]
mod no_text;
mod published_lists;
mod store;
#[cfg(feature = "txn")]
mod trust_domain;
mod trusted;

pub use audience::AudienceConfig;
pub use client::{ClientConfig, ExchangeConfig};
pub use federation::FederationConfig;
pub use identity_provider::IdentityProviderConfig;
pub use issuer::IssuerConfig;
pub use published_lists::PublishedListsConfig;
pub use store::StoreConfig;
#[cfg(feature = "txn")]
pub use trust_domain::{SubjectIssuerConfig, TransactionConfig, TrustDomainConfig};

#[cfg(all(test, feature = "config"))]
mod tests;
