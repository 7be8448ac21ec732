//! Policies as data, validated by the same checks as those of the builder.

mod authorities;
mod connection;
mod introspection;
mod issuer;
mod keys;
mod members;
#[cfg(not(feature = "config"))]
mod no_text;
mod outbound;
mod preset;
mod status_lists;
#[cfg(feature = "config")]
mod text;
mod transactions;

pub use authorities::AuthoritiesConfig;
pub use connection::ConnectionConfig;
pub use introspection::IntrospectionConfig;
pub use issuer::{AudienceList, TrustedIssuerConfig};
pub use keys::KeysConfig;
pub use outbound::OutboundConfig;
pub use status_lists::StatusListsConfig;
pub use transactions::TransactionServiceConfig;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Profile;
use crate::error::ConfigError;
use crate::redact::message_without_values;
use crate::token::has_unique_names;

/// The issuers that a service trusts, and the rules for their tokens, as plain data.
///
/// Unknown fields are refused. Absent fields have the builder's defaults.
///
/// An issuer's `preset` names its provider and fills in the fields that the issuer does not state, in `authorities` too: what
/// is stated replaces what the preset gives. Only `required_claims`, `required_claim_values` and `allowed_claim_values` are
/// added to those of the preset. Reading fills in the preset, so the policy, its fingerprint and its written form show the
/// effect. The presets are `keycloak`, `keycloak_realm`, `keycloak_with_realm_roles`, `auth0`, `okta`, `entra_v1`, `entra_v2`,
/// `cognito`, `google`, `github_actions` and `kubernetes`. Two have a parameter: `preset_tenant` is the tenant of `entra_v1`
/// and `entra_v2`, from which their `issuer` follows, and `preset_owners` are the ids of the owners that `github_actions`
/// requires.
///
/// [`VerifierBuilder::policy`](crate::verify::VerifierBuilder::policy) builds a verifier from it, with the same checks as for
/// a policy written in Rust. Every field that weakens a check begins with `danger_`.
///
/// ```
/// use countersign_core::policy::Policy;
///
/// let policy = Policy::from_json(
///     r#"{"issuers":[{"issuer":"https://id.example.com","audience":"orders","leeway_seconds":10}]}"#,
/// )?;
/// assert_eq!(Policy::from_json(&policy.to_json())?, policy);
/// assert!(Policy::from_json(r#"{"issuers":[],"leewey_seconds":10}"#).is_err());
///
/// let policy = Policy::from_json(
///     r#"{"issuers":[{"preset":"keycloak_realm","issuer":"https://id.example.com/realms/shop","audience":"orders"}]}"#,
/// )?;
/// assert_eq!(policy.issuers[0].authorities.client_at, ["/azp"]);
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Policy {
    /// The trusted issuers; at least one.
    #[serde(deserialize_with = "preset::issuers")]
    pub issuers: Vec<TrustedIssuerConfig>,
    /// The longest accepted token, in bytes. Default: 16 KiB; at most 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_token_bytes: Option<usize>,
    /// The size limit of the verified-token cache, in bytes; 0 disables it. Default: 16 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_bytes: Option<usize>,
    /// The prefixes of subjects that only one issuer may use, each with that issuer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reserved_subjects: BTreeMap<String, String>,
    /// The services that this one calls, for the outbound client. A verifier does not use them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outbound: Vec<OutboundConfig>,
    /// The authorization server that layers ask about opaque tokens. A verifier does not use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection: Option<IntrospectionConfig>,
    /// The service whose transaction tokens layers take, by
    /// [`TransactionVerifier::builder_for`](crate::verify::TransactionVerifier::builder_for). A verifier does not use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transactions: Option<TransactionServiceConfig>,
    /// The settings of the connections that fetch keys and tokens, for issuers and bindings without `connection`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionConfig>,
    /// Refuses to build a verifier if any field that begins with `danger_` is in force.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deny_danger: bool,
}

impl Policy {
    /// Accepts one issuer's access tokens by strict RFC 9068 rules, with keys by discovery.
    ///
    /// The profile is [`Profile::AccessToken`].
    ///
    /// ```
    /// use countersign_core::policy::{Policy, Profile};
    ///
    /// let policy = Policy::access_token("https://id.example.com", "orders");
    /// assert_eq!(policy.issuers[0].profile, Profile::AccessToken);
    /// ```
    #[must_use]
    pub fn access_token(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        let issuer =
            TrustedIssuerConfig { profile: Profile::AccessToken, ..TrustedIssuerConfig::new(issuer, audience) };
        Policy { issuers: vec![issuer], ..Policy::default() }
    }

    /// Reads a policy from JSON.
    ///
    /// # Errors
    /// `ConfigError` on field `policy` if the text is not a policy or has an unknown field. It repeats no value.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        let policy = serde_json::from_str(json).map_err(|error| unreadable(&error))?;
        match has_unique_names(json) {
            true => Ok(policy),
            false => Err(unreadable(&AMBIGUOUS)),
        }
    }

    /// The fields in force that weaken a check, each after its issuer or the number of its outbound binding.
    ///
    /// ```
    /// use countersign_core::policy::Policy;
    ///
    /// let mut policy = Policy::access_token("https://id.example.com", "orders");
    /// assert!(policy.weakenings().is_empty());
    /// policy.issuers[0].danger_any_type = true;
    /// assert_eq!(policy.weakenings(), ["https://id.example.com: danger_any_type"]);
    /// ```
    #[must_use]
    pub fn weakenings(&self) -> Vec<String> {
        let json = serde_json::to_value(self).unwrap_or_default();
        let entries = |section: &str| json.get(section).and_then(Value::as_array).cloned().unwrap_or_default();
        let issuers = entries("issuers").into_iter().map(|issuer| {
            let name = issuer.get("issuer").and_then(Value::as_str).unwrap_or_default().to_owned();
            (name, issuer)
        });
        // An origin is not repeated: it may hold a password.
        let bindings = (1..).zip(entries("outbound")).map(|(number, binding)| (format!("binding {number}"), binding));
        let weak = |(name, entry): (String, Value)| {
            let nested = entry.get("status_lists").and_then(Value::as_object).into_iter().flatten();
            let nested = nested.map(|(field, value)| (format!("status_lists.{field}"), field, value));
            let own = entry.as_object().into_iter().flatten().map(|(field, value)| (field.clone(), field, value));
            let weak = own.chain(nested).filter(|(_, field, value)| field.starts_with("danger_") && **value == true);
            weak.map(|(path, ..)| format!("{name}: {path}")).collect::<Vec<_>>()
        };
        issuers.chain(bindings).flat_map(weak).collect()
    }

    /// Writes the policy as JSON, as read by [`from_json`](Self::from_json).
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() // keys are strings, and no value fails to serialize
    }
}

/// The fault of JSON that readers could read in two ways.
const AMBIGUOUS: &str = "a name occurs twice in one object, or the nesting is too deep; write each name once";

/// The fault of a text, whose values may be secrets that are in the wrong place.
fn unreadable(error: &dyn std::fmt::Display) -> ConfigError {
    ConfigError::new("policy", message_without_values(&error.to_string()))
}

#[cfg(test)]
mod tests;
