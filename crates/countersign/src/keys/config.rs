//! The sources that a policy as data names.

use std::sync::Arc;

use countersign_core::error::ConfigError;
use countersign_core::key::KeySource;
use countersign_core::policy::{KeysConfig, TrustedIssuerConfig};

use super::{FileKeys, RemoteKeys};

/// The key source that `issuer`'s `keys` name: discovery, an address, a file, or keys within the policy itself.
///
/// For [`VerifierBuilder::policy`](countersign_core::verify::VerifierBuilder::policy): a service reads one file and serves.
///
/// ```
/// use countersign::keys;
/// use countersign::policy::Policy;
/// use countersign::verify::Verifier;
///
/// let policy = Policy::from_json(r#"{"issuers":[{"issuer":"https://id.example.com","audience":"orders"}]}"#)?;
/// let verifier = Verifier::builder().policy(&policy, keys::from_config).build()?;
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
///
/// # Errors
/// `ConfigError` on field `keys` where keys within the policy cannot be used, or its place is of a kind not known here.
pub fn from_config(issuer: &TrustedIssuerConfig) -> Result<Arc<dyn KeySource>, ConfigError> {
    Ok(match &issuer.keys {
        KeysConfig::Discovery => Arc::new(RemoteKeys::from_issuer(&issuer.issuer)),
        KeysConfig::JwksUrl(url) => Arc::new(RemoteKeys::from_url(url)),
        KeysConfig::File(path) => Arc::new(FileKeys::new(path)),
        inline => inline.inline().unwrap_or_else(|| Err(ConfigError::new("keys", "no place known to this version")))?,
    })
}
