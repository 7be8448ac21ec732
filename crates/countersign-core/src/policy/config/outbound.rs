//! A binding of an outbound client, as data.

use serde::{Deserialize, Serialize};

use super::{AudienceList, ConnectionConfig};
use crate::key::Algorithm;

/// The origin of another service, and the tokens for calls to it.
///
/// `origin` is required. Either `token_file` names a file that has the token, or `client` requests tokens from the token
/// service; its secret or key is in a file or in a variable of the environment, never in the policy.
///
/// ```
/// use countersign_core::policy::Policy;
///
/// let policy = Policy::from_json(
///     r#"{
///         "issuers": [{ "issuer": "https://id.example.com", "audience": "orders" }],
///         "outbound": [{
///             "origin": "https://billing.internal", "client": "orders", "secret_file": "/run/secrets/orders-client",
///             "audience": "billing", "scope": "invoices:write"
///         }]
///     }"#,
/// )?;
/// assert_eq!(policy.outbound[0].origin, "https://billing.internal");
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OutboundConfig {
    /// Scheme, host and port of the service.
    pub origin: String,
    /// The issuer whose metadata names the token endpoint. Default: the trusted issuer, if there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The token endpoint, if it is not discovered, such as the internal address of an issuer with a public name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<String>,
    /// The id of the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
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
    /// The PEM file with the certificate of the client's key, whose thumbprint assertions then have (`x5t#S256`); needs `key_file`.
    /// It is read again as it changes, and must not have the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_file: Option<String>,
    /// The audience of assertions signed with the key: the issuer. Needed if only `token_endpoint` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion_audience: Option<String>,
    /// The audiences to request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<AudienceList>,
    /// The resource to request (RFC 8707).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The scopes to request, separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The file with the token itself, in place of a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<String>,
    /// Binds the tokens to a key (DPoP, RFC 9449), which is made for the process unless `dpop_key_file` is set.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dpop: bool,
    /// The PKCS#8 PEM file with the key that the tokens are bound to, read again as it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop_key_file: Option<String>,
    /// The algorithm of that key. Default: ES256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop_key_algorithm: Option<Algorithm>,
    /// Sends tokens that the token service does not bind to the key as `Bearer`, such as until it supports DPoP.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accept_bearer_tokens: bool,
    /// Forwards the transaction token of each call to the origin, beside its own token.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forward_transaction: bool,
    /// The settings of the connections that fetch the tokens. Default: those of the policy.
    ///
    /// If `client` has no secret and no key here, the certificate of these settings authenticates it (RFC 8705 §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<ConnectionConfig>,
    /// Weakening: allows plain `http` for the origin and the token endpoint.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub danger_plain_http: bool,
}

impl OutboundConfig {
    /// Calls to `origin`, without a token until a client or a file is set.
    #[must_use]
    pub fn new(origin: impl Into<String>) -> Self {
        OutboundConfig { origin: origin.into(), ..OutboundConfig::default() }
    }

    /// Returns whether the tokens are to be bound to a key.
    #[must_use]
    pub fn is_bound_to_key(&self) -> bool {
        self.dpop || self.dpop_key_file.is_some()
    }
}
