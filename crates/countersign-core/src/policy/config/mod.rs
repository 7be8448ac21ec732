//! A policy as data: read, written, compared; judged by the same checks as the builder.

mod authorities;
mod issuer;
mod keys;
#[cfg(feature = "config")]
mod text;

pub use authorities::AuthoritiesConfig;
pub use issuer::{AudienceList, TrustedIssuerConfig};
pub use keys::KeysConfig;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Profile;
use crate::error::ConfigError;

/// Whom a service trusts and under which rules, as plain data. Unknown fields are refused; what is left out has the
/// builder's default.
///
/// Turned into a verifier by [`VerifierBuilder::policy`](crate::verify::VerifierBuilder::policy), which judges it as
/// it judges a policy written in Rust. Every field that weakens a check begins with `danger_`.
///
/// ```
/// use countersign_core::policy::Policy;
///
/// let policy = Policy::from_json(
///     r#"{"issuers":[{"issuer":"https://id.example.com","audience":"orders","leeway_seconds":10}]}"#,
/// )?;
/// assert_eq!(Policy::from_json(&policy.to_json())?, policy);
/// assert!(Policy::from_json(r#"{"issuers":[],"leewey_seconds":10}"#).is_err());
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Policy {
    /// The trusted issuers; at least one.
    pub issuers: Vec<TrustedIssuerConfig>,
    /// The longest token read, in bytes. Default 16 KiB, at most 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_token_bytes: Option<usize>,
    /// What the verified-token cache may hold, in bytes; 0 turns it off. Default 16 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_bytes: Option<usize>,
    /// Beginnings of subjects that one issuer alone may use, each with that issuer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reserved_subjects: BTreeMap<String, String>,
    /// Refuses to build with any field in force that begins with `danger_`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deny_danger: bool,
}

impl Policy {
    /// Access tokens of one issuer by RFC 9068 to the letter ([`Profile::AccessToken`]), keys by discovery.
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

    /// Reads JSON.
    ///
    /// # Errors
    /// `ConfigError` on field `policy` for text that is no policy, or has a field that no policy has.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        serde_json::from_str(json).map_err(|error| unreadable(&error))
    }

    /// Writes itself as JSON that [`from_json`](Self::from_json) reads.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() // names are strings and no value can fail
    }
}

fn unreadable(error: &dyn std::fmt::Display) -> ConfigError {
    ConfigError::new("policy", error.to_string())
}

#[cfg(test)]
mod tests;
