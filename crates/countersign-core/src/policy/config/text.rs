//! Policies in TOML and in environment variables (feature `config`).

use serde_json::{Map, Value};

use super::{Policy, unreadable};
use crate::error::{ConfigError, Fault};

impl Policy {
    /// Reads TOML.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json).
    ///
    /// ```
    /// use countersign_core::policy::Policy;
    ///
    /// let policy = Policy::from_toml(
    ///     r#"
    ///     [[issuers]]
    ///     issuer = "https://id.example.com"
    ///     audience = ["orders", "billing"]
    ///     profile = "access_token"
    ///     authorities.roles_at = ["/realm_access/roles"]
    ///     "#,
    /// )?;
    /// assert_eq!(Policy::from_toml(&policy.to_toml())?, policy);
    /// # Ok::<(), countersign_core::error::ConfigError>(())
    /// ```
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| unreadable(&error.message()))
    }

    /// Writes itself as TOML that [`from_toml`](Self::from_toml) reads.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).unwrap_or_default() // TOML has a form for everything a policy holds
    }

    /// Reads a policy of one issuer from the process's environment: `<prefix>ISSUER`, `<prefix>AUDIENCE` and so on, each
    /// field of [`TrustedIssuerConfig`](super::TrustedIssuerConfig) and [`Policy`] in upper case.
    ///
    /// # Errors
    /// As [`from_vars`](Self::from_vars).
    pub fn from_env(prefix: &str) -> Result<Self, ConfigError> {
        let named = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| name.starts_with(prefix))?;
            Some((name, value.to_string_lossy().into_owned()))
        });
        Self::from_vars(prefix, named)
    }

    /// As [`from_env`](Self::from_env), from these variables. Lists are separated by commas; `KEYS`, `AUTHORITIES`
    /// and `RESERVED_SUBJECTS` are JSON; others than those with the prefix are not looked at.
    ///
    /// # Errors
    /// `ConfigError` with every variable that is of no known name or of another form.
    ///
    /// ```
    /// use countersign_core::policy::Policy;
    ///
    /// let vars = [("AUTH_ISSUER", "https://id.example.com"), ("AUTH_AUDIENCE", "orders,billing")];
    /// let policy = Policy::from_vars("AUTH_", vars)?;
    /// assert_eq!(policy.issuers[0].audience.names(), ["orders", "billing"]);
    /// assert!(Policy::from_vars("AUTH_", [("AUTH_ISUER", "x")]).is_err());
    /// # Ok::<(), countersign_core::error::ConfigError>(())
    /// ```
    pub fn from_vars<N, V>(prefix: &str, vars: impl IntoIterator<Item = (N, V)>) -> Result<Self, ConfigError>
    where
        N: Into<String>,
        V: Into<String>,
    {
        let (mut policy, mut issuer, mut faults) = (Map::new(), Map::new(), Vec::new());
        for (name, value) in vars {
            let (name, value) = (name.into(), value.into());
            let Some(field) = name.strip_prefix(prefix).map(str::to_ascii_lowercase) else { continue };
            match field_value(&field, &value) {
                Ok(value) if POLICY_FIELDS.contains(&field.as_str()) => policy.insert(field, value),
                Ok(value) => issuer.insert(field, value),
                Err(problem) => {
                    faults.push(Fault::new(name, problem));
                    None
                }
            };
        }
        ConfigError::check(faults)?;
        policy.insert("issuers".to_owned(), Value::Array(vec![Value::Object(issuer)]));
        serde_json::from_value(Value::Object(policy)).map_err(|error| unreadable(&error))
    }
}

/// The fields of [`Policy`] itself; the others are its issuer's.
const POLICY_FIELDS: [&str; 4] = ["max_token_bytes", "cache_bytes", "deny_danger", "reserved_subjects"];

/// A variable as the JSON value of its field.
fn field_value(field: &str, text: &str) -> Result<Value, &'static str> {
    let list = || Value::Array(text.split(',').map(|item| Value::from(item.trim())).collect());
    Ok(match field {
        "issuer" | "profile" | "algorithm_of_unlabelled_rsa_keys" => text.into(),
        "audience"
        | "algorithms"
        | "token_types"
        | "required_claims"
        | "refused_subject_prefixes"
        | "allowed_clients" => list(),
        "keys" | "authorities" | "required_claim_values" | "reserved_subjects" => {
            serde_json::from_str(text).map_err(|_| "not JSON")?
        }
        "leeway_seconds" | "max_lifetime_seconds" | "max_age_seconds" | "max_token_bytes" | "cache_bytes" => {
            text.parse::<u64>().map_err(|_| "not a whole number")?.into()
        }
        "deny_danger"
        | "client_id_for_absent_audience"
        | "danger_any_audience"
        | "danger_any_type"
        | "danger_plain_http" => text.parse::<bool>().map_err(|_| "neither true nor false")?.into(),
        _ => return Err("no setting has this name"),
    })
}
