//! An identity provider as data.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::claims::TenantId;
use countersign_core::error::ConfigError;
use countersign_core::key::KeySource;
use countersign_core::policy::{Profile, TrustedIssuerConfig};
use serde::Deserialize;

use super::trusted::trusted_issuer;
use crate::policy::IdentityProvider;

/// An identity provider, whose assertions about users are grants; see [`IdentityProvider`].
///
/// ```
/// # #[cfg(feature = "config")] {
/// use countersign_issuer::IssuerConfig;
///
/// let config = IssuerConfig::from_toml(r#"
///     issuer = "https://sts.example.com"
///     [[identity_provider]]
///     prefix = "staff:"
///     [identity_provider.trusted]
///     issuer = "https://id.example.com"
///     audience = "https://sts.example.com"
/// "#).unwrap();
/// assert_eq!(config.identity_providers[0].prefix, "staff:");
/// # }
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IdentityProviderConfig {
    /// The prefix of its subjects in the tokens of this issuer.
    pub prefix: String,
    /// The rules, as in a policy of the verifier. `audience` is the name of this issuer, and the type of assertions is fixed.
    pub trusted: TrustedIssuerConfig,
    /// The longest lifetime of an assertion. Default 300, at most 3600.
    pub max_lifetime_seconds: Option<u64>,
    /// The only `tenant` of accepted assertions. Default: those without one.
    pub only_tenant: Option<String>,
    /// The tenant of its users at this issuer.
    pub tenant: Option<String>,
    /// The scopes that an assertion without `scope` stands for. Default: none.
    #[serde(default)]
    pub default_scopes: Vec<String>,
    /// More claims to copy from the assertion. Default: only `auth_time`.
    #[serde(default)]
    pub copied_claims: Vec<String>,
}

/// The field of faults.
const FIELD: &str = "identity_provider";

impl IdentityProviderConfig {
    pub(super) fn to_identity_provider(
        &self,
        issuer: &str,
        folder: &Path,
        remote: impl Fn(&TrustedIssuerConfig) -> Result<Arc<dyn KeySource>, ConfigError>,
    ) -> Result<IdentityProvider, ConfigError> {
        let rules = &self.trusted;
        if !matches!(rules.audience.names(), [only] if only == issuer) {
            return Err(ConfigError::new(FIELD, "audience is not this issuer; assertions are for no other service"));
        }
        if rules.profile != Profile::default() || !rules.token_types.is_empty() {
            let problem = "profile or token_types is set; the type of assertions is fixed, so remove it";
            return Err(ConfigError::new(FIELD, problem));
        }
        let trusted = trusted_issuer(rules, folder, remote, FIELD)?;
        let mut provider = IdentityProvider::new(trusted, &self.prefix)
            .default_scopes(&self.default_scopes)
            .copied_claims(&self.copied_claims);
        if let Some(seconds) = self.max_lifetime_seconds {
            provider = provider.max_lifetime(Duration::from_secs(seconds));
        }
        if let Some(tenant) = &self.only_tenant {
            provider = provider.only_tenant(tenant);
        }
        if let Some(tenant) = &self.tenant {
            let bad = |_| ConfigError::new(FIELD, "tenant is not usable as a tenant id");
            provider = provider.tenant(TenantId::new(tenant).map_err(bad)?);
        }
        Ok(provider)
    }
}
