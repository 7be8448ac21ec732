//! A federation as data.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use countersign_core::error::ConfigError;
use countersign_core::key::KeySource;
use countersign_core::policy::TrustedIssuerConfig;
use serde::Deserialize;

use super::trusted::trusted_issuer;
use crate::policy::Federation;

/// Another issuer, the rules under which it is trusted, and the client of each of its subjects.
///
/// ```
/// # #[cfg(feature = "config")] {
/// use countersign_issuer::IssuerConfig;
///
/// let config = IssuerConfig::from_toml(r#"
///     issuer = "https://sts.example.com"
///     [[federation]]
///     subjects = { "system:serviceaccount:shop:orders" = "orders" }
///     [federation.trusted]
///     issuer = "https://cluster.example.com"
///     audience = "https://sts.example.com"
///     keys = { file = "cluster.jwks.json" }
/// "#).unwrap();
/// assert_eq!(config.federations[0].subjects.len(), 1);
/// # }
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FederationConfig {
    /// The rules, as in a policy of the verifier.
    pub trusted: TrustedIssuerConfig,
    /// The client ids, by subject.
    pub subjects: BTreeMap<String, String>,
}

impl FederationConfig {
    pub(super) fn to_federation(
        &self,
        folder: &Path,
        remote: impl Fn(&TrustedIssuerConfig) -> Result<Arc<dyn KeySource>, ConfigError>,
    ) -> Result<Federation, ConfigError> {
        let trusted = trusted_issuer(&self.trusted, folder, remote, "federation")?;
        let federation = Federation::new(trusted);
        let subjects = self.subjects.iter();
        Ok(subjects.fold(federation, |federation, (subject, client)| federation.add_subject(subject, client)))
    }
}
