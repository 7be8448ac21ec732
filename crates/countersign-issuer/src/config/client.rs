//! A client as data.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use countersign_core::claims::TenantId;
use countersign_core::error::{ConfigError, Fault};
use countersign_core::key::{KeySource, Thumbprint};
use countersign_core::policy::{KeysConfig, TrustedIssuerConfig};
use serde::Deserialize;

use super::file::{joined, read_file};
#[cfg(feature = "txn")]
use super::trust_domain::TransactionConfig;
use crate::client::{CertificateName, Client, SecretHash, registered_keys};
use crate::policy::{ExchangeRule, Grant};

/// A service that requests tokens.
///
/// ```
/// # #[cfg(feature = "config")] {
/// use countersign_issuer::IssuerConfig;
///
/// let config = IssuerConfig::from_toml(r#"
///     issuer = "http://127.0.0.1:4000"
///     [[client]]
///     id = "orders"
///     public_keys = "orders.jwks.json"
///     audiences = ["billing"]
///     scopes = ["invoices:read"]
///     [[client.exchange]]
///     targets = ["billing"]
/// "#).unwrap();
/// assert_eq!(config.clients[0].exchanges[0].targets, ["billing"]);
/// # }
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The client id.
    pub id: String,
    /// The hash of its secret: Argon2id, keyed, or bcrypt of an older system.
    pub secret: Option<StoredSecret>,
    /// More keyed hashes, so that it can change its secret without a pause.
    #[serde(default)]
    pub more_secrets: Vec<StoredSecret>,
    /// A file with the public keys that verify its assertions (a JWK Set). It is read again as it changes; a wrong one
    /// is an error at the start, and later leaves the last good keys in use.
    pub public_keys: Option<String>,
    /// The certificates that authenticate it, each by the SHA-256 of its DER in base64url without padding; see
    /// [`Client::certificates`].
    #[serde(default)]
    pub certificates: Vec<String>,
    /// The subject of its certificate (RFC 4514), which an authority signed; see [`CertificateName::subject_dn`]. At most one of the
    /// five `tls_client_auth_…`.
    pub tls_client_auth_subject_dn: Option<String>,
    /// A DNS name in its certificate; see [`CertificateName::dns`].
    pub tls_client_auth_san_dns: Option<String>,
    /// A URI in its certificate; see [`CertificateName::uri`].
    pub tls_client_auth_san_uri: Option<String>,
    /// An e-mail address in its certificate; see [`CertificateName::email`].
    pub tls_client_auth_san_email: Option<String>,
    /// An IP address in its certificate; see [`CertificateName::ip`].
    pub tls_client_auth_san_ip: Option<IpAddr>,
    /// The allowed grants, by `grant_type`. Default: `client_credentials`, and token exchange if it has a rule.
    pub grants: Option<Vec<String>>,
    /// The audiences that it may request tokens for.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// The audience of a request that names none.
    pub default_audience: Option<String>,
    /// The scopes that it may request.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The audiences of tokens that it may introspect.
    #[serde(default)]
    pub introspected_audiences: Vec<String>,
    /// The tenant of the client.
    pub tenant: Option<String>,
    /// Demands a proof of possession (DPoP) with each of its token requests (RFC 9449 §5.2).
    #[serde(default)]
    pub dpop_bound_access_tokens: bool,
    /// Binds its tokens to the certificate of its connection, and demands one (RFC 8705 §3).
    #[serde(default)]
    pub certificate_bound_access_tokens: bool,
    /// Refuses every request of the client.
    #[serde(default)]
    pub locked: bool,
    /// The rules of token exchange.
    #[serde(default, rename = "exchange")]
    pub exchanges: Vec<ExchangeConfig>,
    /// The rules for transaction tokens, one for each trust domain.
    #[cfg(feature = "txn")]
    #[serde(default, rename = "transaction")]
    pub transactions: Vec<TransactionConfig>,
}

/// A stored secret, hidden from `Debug`.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct StoredSecret(String);

/// A rule of token exchange, see [`ExchangeRule`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ExchangeConfig {
    /// The audiences of new tokens.
    pub targets: Vec<String>,
    /// The audiences of accepted subject tokens. Default: the client's own id.
    #[serde(default)]
    pub subject_audiences: Vec<String>,
    /// The scopes that a new token may carry. Default: the client's own.
    pub scopes: Option<Vec<String>>,
    /// Prefixes of accepted subjects. Default: every subject. An empty list is a fault.
    pub subject_prefixes: Option<Vec<String>>,
    /// More claims to copy from the subject token.
    #[serde(default)]
    pub copied_claims: Vec<String>,
    /// Accepts subject tokens that are bound to a key or certificate of their sender, without a proof of it; see
    /// [`ExchangeRule::bound_subject_tokens`].
    #[serde(default)]
    pub bound_subject_tokens: bool,
    /// Omits the client from `act` (impersonation).
    #[serde(default)]
    pub danger_without_actor: bool,
}

impl ClientConfig {
    pub(super) fn to_client(
        &self,
        issuer: &str,
        folder: &Path,
        remote: impl Fn(&TrustedIssuerConfig) -> Result<Arc<dyn KeySource>, ConfigError>,
    ) -> Result<Client, ConfigError> {
        let field = |name: &str| format!("client {}: {name}", self.id.escape_debug());
        let mut client = Client::new(&self.id).audiences(&self.audiences).scopes(&self.scopes);
        if let Some(grants) = &self.grants {
            let known = grants.iter().map(|name| Grant::from_name(name)).collect::<Option<Vec<_>>>();
            let unknown =
                || ConfigError::new(field("grants"), "names an unsupported grant; use a grant_type of the metadata");
            client = client.grants(known.ok_or_else(unknown)?);
        }
        for secret in self.secret.iter().chain(&self.more_secrets) {
            let stored = SecretHash::parse(&secret.0).map_err(|error| {
                let problem = error.faults().first().map(|fault| fault.problem.clone()).unwrap_or_default();
                ConfigError::new(field("secret"), problem)
            })?;
            client = client.add_secret(stored);
        }
        if let Some(path) = &self.public_keys {
            let path = joined(folder, path, "public_keys")?;
            registered_keys(&self.id, read_file(Path::new(&path), "public_keys")?.expose().as_bytes())?;
            let mut keys = TrustedIssuerConfig::new(&self.id, issuer);
            keys.keys = KeysConfig::File(path);
            client = client.key_source(remote(&keys).map_err(|error| {
                let renamed =
                    error.faults().iter().map(|fault| Fault::new(field("public_keys"), fault.problem.clone()));
                ConfigError::check(renamed.collect()).err().unwrap_or(error)
            })?);
        }
        let certificates = self.certificates.iter().map(|text| Thumbprint::from_base64url(text));
        let wrong =
            || ConfigError::new(field("certificates"), "not the SHA-256 of a certificate in base64url without padding");
        client = client.certificates(certificates.collect::<Option<Vec<_>>>().ok_or_else(wrong)?);
        let mut names = self.certificate_names();
        if let Some(name) = names.next() {
            client = client.certificate_name(name);
        }
        if names.next().is_some() {
            let problem =
                "more than one of subject_dn, san_dns, san_uri, san_email and san_ip; keep one (RFC 8705 §2.1.2)";
            return Err(ConfigError::new(field("tls_client_auth"), problem));
        }
        if let Some(audience) = &self.default_audience {
            client = client.default_audience(audience);
        }
        if let Some(tenant) = &self.tenant {
            let bad = || ConfigError::new(field("tenant"), "not usable as a tenant id");
            client = client.tenant(TenantId::new(tenant).map_err(|_| bad())?);
        }
        client = client.introspected_audiences(&self.introspected_audiences);
        if self.dpop_bound_access_tokens {
            client = client.dpop_bound_access_tokens();
        }
        if self.certificate_bound_access_tokens {
            client = client.certificate_bound_access_tokens();
        }
        if self.locked {
            client = client.locked();
        }
        #[cfg(feature = "txn")]
        for rule in &self.transactions {
            client = client.add_transaction_rule(rule.to_rule());
        }
        Ok(self.exchanges.iter().fold(client, |client, rule| client.add_exchange_rule(rule.to_rule())))
    }
}

impl ClientConfig {
    /// Returns whether its certificate authenticates it by a name, and so has to be verified.
    #[must_use]
    pub fn has_certificate_name(&self) -> bool {
        self.certificate_names().next().is_some()
    }

    fn certificate_names(&self) -> impl Iterator<Item = CertificateName> {
        let names = [
            self.tls_client_auth_subject_dn.as_ref().map(CertificateName::subject_dn),
            self.tls_client_auth_san_dns.as_ref().map(CertificateName::dns),
            self.tls_client_auth_san_uri.as_ref().map(CertificateName::uri),
            self.tls_client_auth_san_email.as_ref().map(CertificateName::email),
            self.tls_client_auth_san_ip.map(CertificateName::ip),
        ];
        names.into_iter().flatten()
    }
}

impl ExchangeConfig {
    fn to_rule(&self) -> ExchangeRule {
        let mut rule = ExchangeRule::new(&self.targets)
            .subject_audiences(&self.subject_audiences)
            .copied_claims(&self.copied_claims);
        if let Some(scopes) = &self.scopes {
            rule = rule.scopes(scopes);
        }
        if let Some(prefixes) = &self.subject_prefixes {
            rule = rule.subject_prefixes(prefixes);
        }
        if self.bound_subject_tokens {
            rule = rule.bound_subject_tokens();
        }
        if self.danger_without_actor { rule.danger_without_actor() } else { rule }
    }
}

impl std::fmt::Debug for StoredSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredSecret([hidden])")
    }
}
