//! Key sources from policies as data.

use std::sync::Arc;

use countersign_core::error::ConfigError;
use countersign_core::key::KeySource;
use countersign_core::policy::{KeysConfig, TrustedIssuerConfig};

use super::{FileKeys, KubernetesKeys, RemoteKeys};
use crate::fetch;

/// The key source that `issuer.keys` names: discovery, an address, a file, a SPIFFE trust bundle, the Kubernetes
/// cluster, or keys in the policy itself.
///
/// With `danger_plain_http`, fetched keys may come over plain `http` too. `keys.jwks_url` may be an internal address of an
/// issuer whose tokens carry its public name.
///
/// Pass it to [`VerifierBuilder::policy`](countersign_core::verify::VerifierBuilder::policy), so that one file configures a
/// service.
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
/// `ConfigError` on field `keys` if keys in the policy are not usable, or if this version does not know the kind of location,
/// and on field `connection` if its settings contradict each other.
pub fn from_config(issuer: &TrustedIssuerConfig) -> Result<Arc<dyn KeySource>, ConfigError> {
    // What weakens the issuer's own address weakens that of its keys; without it, a cluster's http address is refused.
    let settings = fetch::settings(issuer.connection.as_ref())?;
    let remote = |keys: RemoteKeys| {
        let keys = keys.connection(settings.clone());
        if issuer.danger_plain_http { keys.danger_allow_plain_http() } else { keys }
    };
    Ok(match &issuer.keys {
        KeysConfig::Discovery => Arc::new(remote(RemoteKeys::from_issuer(&issuer.issuer))),
        KeysConfig::JwksUrl(url) => Arc::new(remote(RemoteKeys::from_url(url))),
        KeysConfig::File(path) => Arc::new(FileKeys::new(path)),
        KeysConfig::Kubernetes => Arc::new(KubernetesKeys::from_cluster().connection(settings)),
        KeysConfig::SpiffeBundleFile(path) => Arc::new(FileKeys::from_spiffe_bundle(path)),
        KeysConfig::SpiffeBundleUrl(url) => Arc::new(remote(RemoteKeys::from_spiffe_bundle(url))),
        inline => {
            inline.inline().unwrap_or_else(|| Err(ConfigError::new("keys", "location not known to this version")))?
        }
    })
}
