//! Trusted issuers and their rules: audiences, algorithms, times and kinds of token.

mod canonical;
mod config;
pub mod danger;
mod fingerprint;
pub(crate) mod issuer;
mod loopback;
mod open_issuers;
mod profile;
mod provider;
pub(crate) mod resolved;
pub(crate) mod spiffe;
mod status_lists;
mod transaction;

pub use canonical::{CanonicalPolicy, PolicyDifference};
pub use config::{
    AudienceList, AuthoritiesConfig, ConnectionConfig, IntrospectionConfig, KeysConfig, OutboundConfig, Policy,
    StatusListsConfig, TransactionServiceConfig, TrustedIssuerConfig,
};
pub(crate) use fingerprint::Canonical;
pub use fingerprint::Fingerprint;
pub use issuer::{NeedsAudience, TrustedIssuer};
pub use profile::Profile;
pub use provider::ProviderMapping;
pub(crate) use resolved::{IssuerLookup, IssuerSource, ResolvedIssuer};
pub use status_lists::StatusListRules;
pub use transaction::{TRANSACTION_MAX_LIFETIME, TransactionService};

use std::time::Duration;

/// The tolerated difference between clocks, by default.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// The largest leeway that can be configured.
pub const MAX_LEEWAY: Duration = Duration::from_secs(300);

/// The longest `exp - iat` in the RFC 9068 profile.
pub const ACCESS_TOKEN_MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
