//! The trusted transaction token service, as data.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::issuer::is_default;
use super::{ConnectionConfig, KeysConfig, TrustedIssuerConfig};
use crate::error::ConfigError;
use crate::key::{Algorithm, KeySource};
use crate::policy::TransactionService;

/// [`TransactionService`] as plain data: the trust domain, the service and its rules. Times are whole seconds.
///
/// ```
/// use countersign_core::policy::Policy;
///
/// let policy = Policy::from_json(
///     r#"{
///         "issuers": [{ "issuer": "https://id.example.com", "audience": "orders" }],
///         "transactions": { "trust_domain": "shop.example", "issuer": "https://sts.shop.example" }
///     }"#,
/// )?;
/// assert_eq!(policy.transactions.unwrap().trust_domain, "shop.example");
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TransactionServiceConfig {
    /// The trust domain: the only `aud` of transaction tokens.
    pub trust_domain: String,
    /// The `iss` of transaction tokens. Default: they have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The location of the keys. Default: discovery at `issuer`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub keys: KeysConfig,
    /// The settings of the connections that fetch the keys. Default: those of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionConfig>,
    /// The allowed algorithms. Default: [`Algorithm::DEFAULT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithms: Option<Vec<Algorithm>>,
    /// The tolerated difference between clocks. Default: 30; at most 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leeway_seconds: Option<u64>,
    /// The longest `exp - iat`. Default: 300; at most 3600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lifetime_seconds: Option<u64>,
}

impl TransactionServiceConfig {
    /// The service, with the keys that `keys` makes for it. `connection` is that of the policy.
    pub(crate) fn to_service(
        &self,
        connection: Option<&ConnectionConfig>,
        keys: impl FnOnce(&TrustedIssuerConfig) -> Result<Arc<dyn KeySource>, ConfigError>,
    ) -> Result<TransactionService, ConfigError> {
        if self.issuer.is_none() && self.keys == KeysConfig::Discovery {
            let problem = "neither an issuer, whose metadata names the keys, nor keys; name one of them";
            return Err(ConfigError::new("transactions: keys", problem));
        }
        // Only the name and the places matter to a source of keys.
        let name = self.issuer.as_ref().unwrap_or(&self.trust_domain);
        let place = TrustedIssuerConfig {
            keys: self.keys.clone(),
            connection: self.connection.as_ref().or(connection).cloned(),
            ..TrustedIssuerConfig::new(name, &self.trust_domain)
        };
        let mut service = TransactionService::new(&self.trust_domain, keys(&place)?);
        if let Some(issuer) = &self.issuer {
            service = service.issuer(issuer);
        }
        if let Some(algorithms) = &self.algorithms {
            service = service.algorithms(algorithms.iter().copied());
        }
        if let Some(seconds) = self.leeway_seconds {
            service = service.leeway(Duration::from_secs(seconds));
        }
        if let Some(seconds) = self.max_lifetime_seconds {
            service = service.max_lifetime(Duration::from_secs(seconds));
        }
        Ok(service)
    }
}
