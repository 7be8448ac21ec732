//! The rules of an issuer: audiences and their scopes, grants, token exchange, federation, identity providers.

mod audience;
mod claims;
mod exchange;
mod federation;
mod grant;
mod identity_provider;
mod lifetime;
mod scope;
#[cfg_attr(not(feature = "txn"), allow(dead_code, unreachable_pub, reason = "only the feature makes them"))]
mod transaction_rule;
#[cfg_attr(not(feature = "txn"), allow(dead_code, unreachable_pub, reason = "only the feature makes them"))]
mod trust_domain;

pub use audience::Audience;
pub(crate) use claims::{CLIENT_SUBJECT_CLAIM, TENANT_CLAIM};
pub use exchange::ExchangeRule;
pub use federation::Federation;
pub use grant::Grant;
pub use identity_provider::IdentityProvider;
pub(crate) use lifetime::{MAX_TOKEN_LIFETIME, lifetime_fault};
pub(crate) use scope::ScopeSet;
#[cfg(feature = "txn")]
pub use transaction_rule::TransactionRule;
#[cfg(not(feature = "txn"))]
pub(crate) use transaction_rule::TransactionRule;
#[cfg(feature = "txn")]
pub use trust_domain::TrustDomain;
#[cfg(not(feature = "txn"))]
pub(crate) use trust_domain::TrustDomain;
