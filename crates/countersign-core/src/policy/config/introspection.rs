//! Introspection of opaque tokens, as data.

use serde::{Deserialize, Serialize};

use super::ConnectionConfig;
use crate::key::Algorithm;

/// The authorization server that a layer asks about opaque tokens, and the client as which it asks.
///
/// The client's secret or key is in a file or in a variable of the environment, never in the policy.
///
/// ```
/// use countersign_core::policy::Policy;
///
/// let policy = Policy::from_json(
///     r#"{
///         "issuers": [{ "issuer": "https://id.example.com", "audience": "orders" }],
///         "introspection": { "client": "orders", "secret_file": "/run/secrets/orders-client" }
///     }"#,
/// )?;
/// assert_eq!(policy.introspection.map(|asking| asking.client).as_deref(), Some("orders"));
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IntrospectionConfig {
    /// The issuer, which the policy trusts and whose rules apply to the answers. Default: the trusted issuer, if there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The endpoint, if it is not the one in the issuer's metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The id of the client.
    pub client: String,
    /// The file with the client's secret, read again as it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<String>,
    /// The environment variable with the client's secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_env: Option<String>,
    /// Sends the secret in the body instead of a `Basic` header.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub client_secret_post: bool,
    /// The PKCS#8 PEM file with the client's key (`private_key_jwt`), read again as it changes; needs `key_algorithm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<String>,
    /// The algorithm of the client's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_algorithm: Option<Algorithm>,
    /// The audience of an answer without `aud`; without it, such tokens are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent_audience: Option<String>,
    /// Takes only signed answers (RFC 9701).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub require_signed_answers: bool,
    /// Also asks about the signed tokens of the issuer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub also_ask_about_signed_tokens: bool,
    /// The beginnings of opaque tokens; others are refused without asking.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_prefixes: Vec<String>,
    /// The longest use of an answer that a token is active, in seconds. Default: 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u64>,
    /// The settings of the connections to the endpoint. Default: those of the policy.
    ///
    /// If the client has no secret and no key here, the certificate of these settings authenticates it (RFC 8705 §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionConfig>,
    /// Weakening: allows plain `http` for the endpoint.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub danger_plain_http: bool,
}

impl IntrospectionConfig {
    /// Asks as this client, which has no credential until one is set.
    #[must_use]
    pub fn new(client: impl Into<String>) -> Self {
        IntrospectionConfig { client: client.into(), ..IntrospectionConfig::default() }
    }
}
