//! The rules for another issuer, with keys of their place.

use std::path::Path;
use std::sync::Arc;

use countersign_core::error::ConfigError;
use countersign_core::key::{KeySet, KeySource};
use countersign_core::policy::{KeysConfig, TrustedIssuer, TrustedIssuerConfig};

use super::file::{joined, read_file};

/// The trusted issuer of `config`, whose relative paths start at `folder`. `field` is that of faults.
pub(super) fn trusted_issuer(
    config: &TrustedIssuerConfig,
    folder: &Path,
    remote: impl Fn(&TrustedIssuerConfig) -> Result<Arc<dyn KeySource>, ConfigError>,
    field: &'static str,
) -> Result<TrustedIssuer, ConfigError> {
    let trusted = with_paths(config, folder, field)?;
    // The source reads a file again as it changes; a wrong one is reported at the start.
    let read = |path: &String| read_file(Path::new(path), field);
    let set = match &trusted.keys {
        KeysConfig::File(path) => Some(KeySet::from_jwks(read(path)?.expose().as_bytes())),
        KeysConfig::SpiffeBundleFile(path) => Some(KeySet::from_spiffe_bundle(read(path)?.expose().as_bytes())),
        _ => None,
    };
    set.transpose().map_err(|rejected| ConfigError::new(field, rejected.to_string()))?;
    let keys = trusted.keys.inline().unwrap_or_else(|| remote(&trusted))?;
    Ok(trusted.to_trusted_issuer(keys))
}

/// The rules, with paths that start at `folder` if they are relative.
fn with_paths(
    config: &TrustedIssuerConfig,
    folder: &Path,
    field: &'static str,
) -> Result<TrustedIssuerConfig, ConfigError> {
    let mut trusted = config.clone();
    let mut paths: Vec<&mut String> = match &mut trusted.keys {
        KeysConfig::File(path) | KeysConfig::SpiffeBundleFile(path) => vec![path],
        _ => Vec::new(),
    };
    if let Some(connection) = &mut trusted.connection {
        paths.extend(&mut connection.roots_files);
        paths.extend([&mut connection.certificate_file, &mut connection.key_file].into_iter().flatten());
    }
    for path in paths {
        *path = joined(folder, path, field)?;
    }
    Ok(trusted)
}
