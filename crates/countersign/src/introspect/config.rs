//! Introspection from policies as data.

use std::time::Duration;

use countersign_core::error::ConfigError;
use countersign_core::policy::{IntrospectionConfig, Policy};
use countersign_core::secret::Secret;

use super::settings::Introspection;
use crate::client::SecretSource;
use crate::fetch;

impl Introspection {
    /// The introspection that a policy holds as data; `None` if it has none.
    ///
    /// ```
    /// use countersign::introspect::Introspection;
    /// use countersign::policy::Policy;
    ///
    /// let policy = Policy::from_json(
    ///     r#"{
    ///         "issuers": [{ "issuer": "https://id.example.com", "audience": "orders" }],
    ///         "introspection": { "client": "orders", "secret_file": "/run/secrets/orders-client" }
    ///     }"#,
    /// )?;
    /// assert!(Introspection::from_config(&policy)?.is_some());
    /// # Ok::<(), countersign::error::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// `ConfigError` on fields `issuer`, `client`, `key_algorithm` and `connection`, and on the name of the variable in
    /// `secret_env` if it is not set. Files are read later.
    pub fn from_config(policy: &Policy) -> Result<Option<Self>, ConfigError> {
        policy.introspection.as_ref().map(|config| of_config(config, policy)).transpose()
    }
}

fn of_config(config: &IntrospectionConfig, policy: &Policy) -> Result<Introspection, ConfigError> {
    let issuer = match (&config.issuer, &policy.issuers[..]) {
        (Some(issuer), _) => issuer,
        (None, [only]) => &only.issuer,
        (None, _) => {
            let problem = "missing, and the policy does not trust exactly one; name the issuer of the opaque tokens";
            return Err(ConfigError::new("issuer", problem));
        }
    };
    let connection = fetch::settings(config.connection.as_ref().or(policy.connection.as_ref()))?;
    let (base, client) = (Introspection::at_issuer(issuer), config.client.as_str());
    let mut introspection = match (&config.secret_file, &config.secret_env, &config.key_file, config.key_algorithm) {
        (Some(path), None, None, None) => base.client(client, Secret::from_file(path)),
        (None, Some(variable), None, None) => base.client(client, SecretSource::from(Secret::from_env(variable)?)),
        (None, None, Some(path), Some(algorithm)) => base.client_key_file(client, path, algorithm),
        (None, None, Some(_), None) => {
            return Err(ConfigError::new("key_algorithm", "missing; name the algorithm of the key"));
        }
        (None, None, None, None) if connection.has_certificate() => base.client_certificate(client),
        _ => {
            let problem =
                "exactly one of secret_file, secret_env and key_file must be set, or a certificate in connection";
            return Err(ConfigError::new("client", problem));
        }
    };
    introspection = introspection.connection(connection);
    if let Some(endpoint) = &config.endpoint {
        introspection = introspection.endpoint(endpoint);
    }
    if config.client_secret_post {
        introspection = introspection.client_secret_post();
    }
    if let Some(audience) = &config.absent_audience {
        introspection = introspection.absent_audience(audience);
    }
    if config.require_signed_answers {
        introspection = introspection.require_signed_answers();
    }
    if config.also_ask_about_signed_tokens {
        introspection = introspection.also_ask_about_signed_tokens();
    }
    introspection = config.token_prefixes.iter().fold(introspection, Introspection::token_prefix);
    if let Some(seconds) = config.max_age_seconds {
        introspection = introspection.max_age(Duration::from_secs(seconds));
    }
    Ok(if config.danger_plain_http { introspection.danger_allow_plain_http() } else { introspection })
}
