//! A federation as data.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use countersign_core::error::ConfigError;
use countersign_core::key::{KeySet, KeySource, StaticKeys};
use countersign_core::policy::{KeysConfig, TrustedIssuerConfig};
use serde::Deserialize;

use super::file::read_file;
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
        let keys = match &self.trusted.keys {
            KeysConfig::File(path) => {
                let text = read_file(&folder.join(path), "federation")?;
                let set = KeySet::from_jwks(text.expose().as_bytes());
                Arc::new(StaticKeys::from_set(set.map_err(|error| ConfigError::new("federation", error.to_string()))?))
            }
            location => location.inline().unwrap_or_else(|| remote(&self.trusted))?,
        };
        let federation = Federation::new(self.trusted.to_trusted_issuer(keys));
        let subjects = self.subjects.iter();
        Ok(subjects.fold(federation, |federation, (subject, client)| federation.add_subject(subject, client)))
    }
}
