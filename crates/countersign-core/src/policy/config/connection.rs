//! The settings of connections, as data.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The settings of the connections that fetch keys and tokens: TLS roots, client certificate and proxy.
///
/// In [`Policy::connection`](super::Policy::connection) they hold for all issuers and bindings that have none of their own.
///
/// ```
/// use countersign_core::policy::Policy;
///
/// let policy = Policy::from_json(
///     r#"{
///         "issuers": [{ "issuer": "https://id.internal", "audience": "orders" }],
///         "connection": { "roots_files": ["/etc/company/ca.pem"], "proxy": "none" }
///     }"#,
/// )?;
/// assert_eq!(policy.connection.unwrap().roots_files, ["/etc/company/ca.pem"]);
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ConnectionConfig {
    /// The PEM files with authorities that are trusted too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roots_files: Vec<String>,
    /// Trusts only the authorities in `roots_files`, and not those of the system.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_added_roots: bool,
    /// The PEM file with the client's certificate and its chain; needs `key_file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_file: Option<String>,
    /// The PEM file with the key of the client's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<String>,
    /// The URL of the proxy, without user and password, or `none`. Default: that of the environment (`HTTPS_PROXY`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// The environment variable with the URL of the proxy, which may have user and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_env: Option<String>,
}

impl fmt::Debug for ConnectionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A password does not belong into the URL, but may be there.
        let proxy = self.proxy.as_ref().map(|proxy| proxy.rsplit('@').next());
        f.debug_struct("ConnectionConfig")
            .field("roots_files", &self.roots_files)
            .field("only_added_roots", &self.only_added_roots)
            .field("certificate_file", &self.certificate_file)
            .field("key_file", &self.key_file)
            .field("proxy", &proxy)
            .field("proxy_env", &self.proxy_env)
            .finish()
    }
}
