//! Policies in TOML and in environment variables (feature `config`).

use serde_json::{Map, Value};

use super::{AMBIGUOUS, Policy, unreadable};
use crate::error::{ConfigError, Fault};
use crate::redact::message_without_values;
use crate::token::has_unique_names;

impl Policy {
    /// Reads a policy from TOML (feature `config`).
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
    ///     preset = "keycloak_realm"
    ///     "#,
    /// )?;
    /// assert_eq!(Policy::from_toml(&policy.to_toml())?, policy);
    /// # Ok::<(), countersign_core::error::ConfigError>(())
    /// ```
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let problem = message_without_values(error.message());
            let line = before.map(|before| format!("; line {}", before.matches('\n').count() + 1));
            ConfigError::new("policy", format!("{problem}{}", line.unwrap_or_default()))
        })
    }

    /// Writes the policy as TOML, as read by [`from_toml`](Self::from_toml) (feature `config`).
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).unwrap_or_default() // TOML can represent every field of a policy
    }

    /// Reads a policy with one issuer from the environment of the process (feature `config`).
    ///
    /// The variables are `<prefix>ISSUER`, `<prefix>AUDIENCE` and so on: the fields of
    /// [`TrustedIssuerConfig`](super::TrustedIssuerConfig) and [`Policy`] in upper case. `<prefix>PRESET`, `<prefix>PRESET_TENANT`
    /// and `<prefix>PRESET_OWNERS` name a preset.
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

    /// Reads a policy with one issuer from `vars`, as [`from_env`](Self::from_env) (feature `config`).
    ///
    /// Commas separate list items. `KEYS`, `AUTHORITIES`, `REQUIRED_CLAIM_VALUES`, `ALLOWED_CLAIM_VALUES`,
    /// `KIND_CLAIM`, `STATUS_LISTS`, `RESERVED_SUBJECTS` and `OUTBOUND` are JSON.
    /// Variables without the prefix are ignored. A field that two variables set, in upper and lower case, is a fault.
    ///
    /// # Errors
    /// `ConfigError` with every variable that has an unknown name or a malformed value.
    ///
    /// ```
    /// use countersign_core::policy::Policy;
    ///
    /// let vars = [("AUTH_ISSUER", "https://id.example.com"), ("AUTH_AUDIENCE", "orders,billing")];
    /// let policy = Policy::from_vars("AUTH_", vars)?;
    /// assert_eq!(policy.issuers[0].audience.names(), ["orders", "billing"]);
    /// let vars = [("AUTH_PRESET", "entra_v1"), ("AUTH_PRESET_TENANT", "72f988bf-86f1"), ("AUTH_AUDIENCE", "api://orders")];
    /// assert_eq!(Policy::from_vars("AUTH_", vars)?.issuers[0].required_claim_values["tid"], "72f988bf-86f1");
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
            if policy.contains_key(&field) || issuer.contains_key(&field) {
                faults.push(Fault::new(name, format!("{field} is set twice; remove one of the variables")));
                continue;
            }
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

/// The fields of [`Policy`] itself; all others belong to the issuer.
const POLICY_FIELDS: [&str; 7] =
    ["max_token_bytes", "cache_bytes", "deny_danger", "reserved_subjects", "outbound", "introspection", "connection"];

/// Converts the text of a variable into the JSON value of its field.
fn field_value(field: &str, text: &str) -> Result<Value, &'static str> {
    let list = || Value::Array(text.split(',').map(|item| Value::from(item.trim())).collect());
    Ok(match field {
        "issuer" | "preset" | "preset_tenant" | "profile" | "algorithm_of_unlabelled_rsa_keys" => text.into(),
        "audience"
        | "algorithms"
        | "token_types"
        | "required_claims"
        | "refused_subject_prefixes"
        | "preset_owners"
        | "allowed_clients" => list(),
        "keys"
        | "authorities"
        | "required_claim_values"
        | "allowed_claim_values"
        | "kind_claim"
        | "status_lists"
        | "reserved_subjects"
        | "outbound"
        | "introspection"
        | "transactions"
        | "connection" => {
            let value =
                serde_json::from_str(text).map_err(|_| "the value is not JSON; see the JSON form of this field")?;
            if !has_unique_names(text) {
                return Err(AMBIGUOUS);
            }
            value
        }
        "leeway_seconds" | "max_lifetime_seconds" | "max_age_seconds" | "max_token_bytes" | "cache_bytes" => {
            text.parse::<u64>().map_err(|_| "the value is not a whole number; write digits only")?.into()
        }
        "deny_danger"
        | "client_required"
        | "client_id_for_absent_audience"
        | "nonce_in_access_tokens"
        | "proof_of_possession_required"
        | "danger_any_audience"
        | "danger_any_type"
        | "danger_plain_http" => {
            text.parse::<bool>().map_err(|_| "the value is neither true nor false; write one of them")?.into()
        }
        _ => return Err("unknown setting; correct or remove the variable"),
    })
}
