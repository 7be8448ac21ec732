//! The location of keys, as data. This crate does no I/O and reads only inline keys.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
use crate::key::{KeySet, KeySource, StaticKeys};

/// The location of an issuer's keys.
///
/// ```
/// use countersign_core::policy::KeysConfig;
///
/// let keys: KeysConfig = serde_json::from_str(r#"{"jwks_url":"https://id.example.com/keys"}"#).unwrap();
/// assert_eq!(keys, KeysConfig::JwksUrl("https://id.example.com/keys".into()));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeysConfig {
    /// The key set that the issuer's discovery document names: `"discovery"`.
    #[default]
    Discovery,
    /// A JWK Set at this URL: `{"jwks_url":"https://…"}`.
    JwksUrl(String),
    /// A JWK Set in this file: `{"file":"keys.json"}`.
    File(String),
    /// A SPIFFE trust bundle in this file: `{"spiffe_bundle_file":"bundle.json"}`.
    SpiffeBundleFile(String),
    /// A SPIFFE trust bundle at this URL, the bundle endpoint of a trust domain: `{"spiffe_bundle_url":"https://…"}`.
    SpiffeBundleUrl(String),
    /// The keys of the Kubernetes cluster that the process runs in, from its API server: `"kubernetes"`.
    Kubernetes,
    /// None, because the callers of this issuer have API keys, and no token of it is signed: `"api_keys"`. A layer that takes such
    /// keys gets them from the crate `countersign-apikey`.
    ApiKeys,
    /// A JWK Set as text, with only public keys: `{"inline":"{\"keys\":[…]}"}`.
    Inline(String),
}

impl KeysConfig {
    /// The source of inline keys, or of none; `None` for locations that need I/O.
    ///
    /// # Errors
    /// `ConfigError` on field `keys` if the text has no usable key.
    pub fn inline(&self) -> Option<Result<Arc<dyn KeySource>, ConfigError>> {
        let jwks = match self {
            KeysConfig::Inline(jwks) => jwks,
            KeysConfig::ApiKeys => return Some(Ok(Arc::new(StaticKeys::new([])))),
            _ => return None,
        };
        Some(match KeySet::from_jwks(jwks.as_bytes()) {
            Ok(set) => Ok(Arc::new(StaticKeys::from_set(set))),
            Err(rejected) => Err(ConfigError::new("keys", rejected.to_string())),
        })
    }
}
