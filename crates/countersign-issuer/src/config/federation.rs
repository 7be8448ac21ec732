//! A federation as data.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use countersign_core::error::ConfigError;
use countersign_core::key::{KeySet, KeySource};
use countersign_core::policy::{KeysConfig, TrustedIssuerConfig};
use serde::Deserialize;

use super::file::{joined, read_file};
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
        let trusted = self.trusted_from(folder)?;
        // The source reads a file again as it changes; a wrong one is reported at the start.
        let read = |path: &String| read_file(Path::new(path), "federation");
        let set = match &trusted.keys {
            KeysConfig::File(path) => Some(KeySet::from_jwks(read(path)?.expose().as_bytes())),
            KeysConfig::SpiffeBundleFile(path) => Some(KeySet::from_spiffe_bundle(read(path)?.expose().as_bytes())),
            _ => None,
        };
        set.transpose().map_err(|rejected| ConfigError::new("federation", rejected.to_string()))?;
        let keys = trusted.keys.inline().unwrap_or_else(|| remote(&trusted))?;
        let federation = Federation::new(trusted.to_trusted_issuer(keys));
        let subjects = self.subjects.iter();
        Ok(subjects.fold(federation, |federation, (subject, client)| federation.add_subject(subject, client)))
    }

    /// The rules, with paths that start at `folder` if they are relative.
    fn trusted_from(&self, folder: &Path) -> Result<TrustedIssuerConfig, ConfigError> {
        let mut trusted = self.trusted.clone();
        let mut paths: Vec<&mut String> = match &mut trusted.keys {
            KeysConfig::File(path) | KeysConfig::SpiffeBundleFile(path) => vec![path],
            _ => Vec::new(),
        };
        if let Some(connection) = &mut trusted.connection {
            paths.extend(&mut connection.roots_files);
            paths.extend([&mut connection.certificate_file, &mut connection.key_file].into_iter().flatten());
        }
        for path in paths {
            *path = joined(folder, path, "federation")?;
        }
        Ok(trusted)
    }
}
