//! Where keys come from, as data. The kernel does no I/O: it reads inline keys itself, and names the rest.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
use crate::key::{KeySet, KeySource, StaticKeys};

/// The place of an issuer's keys.
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
    /// Found by the issuer's discovery document: `"discovery"`.
    #[default]
    Discovery,
    /// A JWK Set at this address: `{"jwks_url":"https://…"}`.
    JwksUrl(String),
    /// A JWK Set in this file: `{"file":"keys.json"}`.
    File(String),
    /// A JWK Set as text: `{"inline":"{\"keys\":[…]}"}`. Public keys only.
    Inline(String),
}

impl KeysConfig {
    /// The source of inline keys; `None` for places that need I/O.
    ///
    /// # Errors
    /// `ConfigError` on field `keys` where the text has no usable key.
    pub fn inline(&self) -> Option<Result<Arc<dyn KeySource>, ConfigError>> {
        let KeysConfig::Inline(jwks) = self else { return None };
        Some(match KeySet::from_jwks(jwks.as_bytes()) {
            Ok(set) => Ok(Arc::new(StaticKeys::from_set(set))),
            Err(rejected) => Err(ConfigError::new("keys", rejected.to_string())),
        })
    }
}
