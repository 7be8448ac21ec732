//! A trust domain as data, and the rules for its transaction tokens.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::error::ConfigError;
use countersign_core::key::KeySource;
use countersign_core::policy::TrustedIssuerConfig;
use serde::Deserialize;

use super::trusted::trusted_issuer;
use crate::policy::{TransactionRule, TrustDomain};

/// A trust domain that transaction tokens are issued for, see [`TrustDomain`].
///
/// ```
/// # #[cfg(feature = "config")] {
/// use countersign_issuer::IssuerConfig;
///
/// let config = IssuerConfig::from_toml(r#"
///     issuer = "http://127.0.0.1:4000"
///     [[trust_domain]]
///     name = "shop.example"
///     scopes = ["orders:place"]
///     [[client]]
///     id = "gateway"
///     public_keys = "gateway.jwks.json"
///     [[client.transaction]]
///     trust_domain = "shop.example"
///     scopes = ["orders:place"]
/// "#).unwrap();
/// assert_eq!(config.trust_domains[0].name, "shop.example");
/// # }
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TrustDomainConfig {
    /// The name in `aud`.
    pub name: String,
    /// The scopes that transaction tokens may carry here.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The lifetime of transaction tokens. Default 120, at most 300.
    pub token_lifetime_seconds: Option<u64>,
    /// Other issuers, access tokens of which are subject tokens.
    #[serde(default, rename = "subject_issuer")]
    pub subject_issuers: Vec<SubjectIssuerConfig>,
}

/// Another issuer whose subjects begin transactions, see [`TrustDomain::add_subject_issuer`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SubjectIssuerConfig {
    /// The prefix of its subjects in the trust domain.
    pub prefix: String,
    /// The rules, as in a policy of the verifier.
    pub trusted: TrustedIssuerConfig,
}

/// A rule for transaction tokens, see [`TransactionRule`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TransactionConfig {
    /// The trust domain.
    pub trust_domain: String,
    /// The scopes that the client may request.
    pub scopes: Vec<String>,
    /// The audiences of accepted subject tokens. Default: the client's own id.
    #[serde(default)]
    pub subject_audiences: Vec<String>,
    /// Lets the client replace transaction tokens by narrower ones.
    #[serde(default)]
    pub replacements: bool,
    /// Accepts subject tokens that are bound to a key or certificate of their sender, without a proof of it; see
    /// [`TransactionRule::bound_subject_tokens`].
    #[serde(default)]
    pub bound_subject_tokens: bool,
}

impl TrustDomainConfig {
    pub(super) fn to_trust_domain(
        &self,
        folder: &Path,
        remote: impl Fn(&TrustedIssuerConfig) -> Result<Arc<dyn KeySource>, ConfigError>,
    ) -> Result<TrustDomain, ConfigError> {
        let mut domain = TrustDomain::new(&self.name).scopes(&self.scopes);
        if let Some(seconds) = self.token_lifetime_seconds {
            domain = domain.token_lifetime(Duration::from_secs(seconds));
        }
        for SubjectIssuerConfig { prefix, trusted } in &self.subject_issuers {
            domain = domain.add_subject_issuer(trusted_issuer(trusted, folder, &remote, "subject_issuer")?, prefix);
        }
        Ok(domain)
    }
}

impl TransactionConfig {
    pub(super) fn to_rule(&self) -> TransactionRule {
        let rule = TransactionRule::new(&self.trust_domain, &self.scopes).subject_audiences(&self.subject_audiences);
        let rule = if self.replacements { rule.replacements() } else { rule };
        if self.bound_subject_tokens { rule.bound_subject_tokens() } else { rule }
    }
}
