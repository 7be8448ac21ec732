//! A whole issuer as data.

#[cfg(feature = "config")]
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::error::{ConfigError, Fault};
#[cfg(feature = "config")]
use countersign_core::integration::message_without_values;
use countersign_core::key::{Algorithm, KeySource};
use countersign_core::policy::TrustedIssuerConfig;
use countersign_core::proof::Nonces;
use countersign_core::secret::Secret;
use serde::Deserialize;

#[cfg(feature = "config")]
use super::file::read_file;
#[cfg(feature = "txn")]
use super::trust_domain::TrustDomainConfig;
use super::{
    AudienceConfig, ClientConfig, FederationConfig, IdentityProviderConfig, PublishedListsConfig, StoreConfig,
};
use crate::builder::IssuerBuilder;
use crate::service::Issuer;

/// The configuration of an issuer. It is checked like settings in Rust. Times are whole seconds.
///
/// It holds only hashes of secrets. Relative paths start at the folder of the configuration file.
///
/// ```
/// use countersign_issuer::IssuerConfig;
///
/// let config = IssuerConfig::from_toml(r#"
///     issuer = "http://127.0.0.1:4000"
///     token_lifetime_seconds = 120
///
///     [[audience]]
///     name = "billing"
///     scopes = ["invoices:read"]
///
///     [[client]]
///     id = "orders"
///     secret = "$argon2id$v=19$m=19456,t=2,p=1$c29tZSByYW5kb20gc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
///     audiences = ["billing"]
///     scopes = ["invoices:read"]
/// "#)?;
/// assert_eq!(config.build()?.name(), "http://127.0.0.1:4000");
/// assert!(IssuerConfig::from_toml("issuer = \"http://127.0.0.1:4000\"\ntoken_lifetme_seconds = 120").is_err());
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IssuerConfig {
    /// The name of the issuer: the URL of its endpoints.
    pub issuer: String,
    /// The address at which the command listens. Default: host and port of a loopback issuer; otherwise required.
    pub listen: Option<std::net::SocketAddr>,
    /// The signing algorithm. Default: ES256.
    pub algorithm: Option<Algorithm>,
    /// The lifetime of tokens. Default 300, at most 3600.
    pub token_lifetime_seconds: Option<u64>,
    /// The age of the active key at which a rotation begins, at least 3600. Default: rotation only on demand.
    pub rotation_interval_seconds: Option<u64>,
    /// The number of concurrent Argon2id checks. Default 4.
    pub concurrent_secret_checks: Option<usize>,
    /// Refuses to build if a setting that begins with `danger_` is in force, also one of a federation or an identity provider.
    #[serde(default)]
    pub deny_danger: bool,
    /// Demands a proof of possession (DPoP) with each token request.
    #[serde(default)]
    pub dpop_bound_access_tokens: bool,
    /// Demands a nonce in each proof. With a database as store, `dpop_nonce_secret_env` is needed too.
    #[serde(default)]
    pub dpop_nonces: bool,
    /// The environment variable with the secret of the nonces, which all instances share: at least 32 random bytes, as text. It
    /// sets `dpop_nonces`.
    pub dpop_nonce_secret_env: Option<String>,
    /// The proxies that end TLS and forward the certificates of clients in `Client-Cert` (RFC 9440), for the command: addresses or
    /// networks, such as `10.0.0.5`. An application adds `ReadCertificateLayer` of the crate `countersign` to its router instead.
    #[serde(default)]
    pub certificate_proxies: Vec<String>,
    /// States that `certificate_proxies` verify the chain of each certificate that they forward, up to an authority that you
    /// configured there. Only then do names in certificates authenticate clients (`tls_client_auth_…`).
    #[serde(default)]
    pub certificate_proxies_verify_chains: bool,
    /// The proxies that are Envoys, which forward certificates in `X-Forwarded-Client-Cert`.
    #[serde(default)]
    pub certificate_envoys: Vec<String>,
    /// The environment variable with the pepper of keyed hashes.
    pub pepper_env: Option<String>,
    /// The store of its state. Default: memory, which a restart loses.
    pub store: Option<StoreConfig>,
    /// Assigns each access token an index of a status list, and publishes the lists. Default: no lists.
    pub status_lists: Option<PublishedListsConfig>,
    /// The services that tokens are issued for.
    #[serde(default, rename = "audience")]
    pub audiences: Vec<AudienceConfig>,
    /// The services that request tokens.
    #[serde(default, rename = "client")]
    pub clients: Vec<ClientConfig>,
    /// The trust domains that transaction tokens are issued for.
    #[cfg(feature = "txn")]
    #[serde(default, rename = "trust_domain")]
    pub trust_domains: Vec<TrustDomainConfig>,
    /// Other issuers whose tokens authenticate clients.
    #[serde(default, rename = "federation")]
    pub federations: Vec<FederationConfig>,
    /// Identity providers, whose assertions about users are grants.
    #[serde(default, rename = "identity_provider")]
    pub identity_providers: Vec<IdentityProviderConfig>,
    /// The folder at which relative paths start.
    #[serde(skip)]
    folder: PathBuf,
}

impl IssuerConfig {
    /// Reads TOML (feature `config`). Relative paths start at the current folder.
    ///
    /// # Errors
    /// `ConfigError` for malformed text or an unknown field. It repeats no value.
    #[cfg(feature = "config")]
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| text.get(..span.start).map_or(0, |before| before.lines().count()));
            ConfigError::new("config", format!("line {line}: {}", message_without_values(error.message())))
        })
    }

    /// Reads a TOML file (feature `config`). Relative paths start at its folder.
    ///
    /// # Errors
    /// As [`from_toml`](Self::from_toml), and if the file cannot be read.
    #[cfg(feature = "config")]
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let text = read_file(path, "config")?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(IssuerConfig { folder, ..Self::from_toml(text.expose())? })
    }

    /// Builds the issuer. The keys of federations and identity providers must be inline, and clients have no `public_keys`.
    ///
    /// # Errors
    /// `ConfigError` with every fault found, each naming its field.
    pub fn build(&self) -> Result<Issuer, ConfigError> {
        self.build_with(|trusted| {
            let problem = "keys from a file or the network change, and need `build_with`; they may be inline";
            let is_provider = self.identity_providers.iter().any(|provider| provider.trusted == *trusted);
            let kind = if is_provider { "identity provider" } else { "federation" };
            Err(ConfigError::new(format!("{kind} {}: keys", trusted.issuer.escape_debug()), problem))
        })
    }

    /// Builds the issuer. `remote` makes the key source of a federation or identity provider whose keys are not inline, and that of a client's
    /// `public_keys`, with the client as the issuer of its assertions. It is for example `countersign::keys::from_config`,
    /// which reads a file again as it changes. Paths are complete when it gets them.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_with(
        &self,
        remote: impl Fn(&TrustedIssuerConfig) -> Result<Arc<dyn KeySource>, ConfigError>,
    ) -> Result<Issuer, ConfigError> {
        self.builder(remote)?.build()
    }

    /// The configured builder, for further settings in Rust.
    ///
    /// # Errors
    /// As [`build`](Self::build), for faults of files, environment variables and the store.
    pub fn builder(
        &self,
        remote: impl Fn(&TrustedIssuerConfig) -> Result<Arc<dyn KeySource>, ConfigError>,
    ) -> Result<IssuerBuilder, ConfigError> {
        let mut faults = Vec::new();
        let mut builder = Issuer::builder(&self.issuer);
        if let Some(algorithm) = self.algorithm {
            builder = builder.algorithm(algorithm);
        }
        if let Some(seconds) = self.token_lifetime_seconds {
            builder = builder.token_lifetime(Duration::from_secs(seconds));
        }
        if let Some(seconds) = self.rotation_interval_seconds {
            builder = builder.rotation_interval(Duration::from_secs(seconds));
        }
        if let Some(checks) = self.concurrent_secret_checks {
            builder = builder.concurrent_secret_checks(checks);
        }
        if self.deny_danger {
            builder = builder.deny_danger();
        }
        if self.dpop_bound_access_tokens {
            builder = builder.dpop_bound_access_tokens();
        }
        if let Some(nonces) = taken(self.nonces(), &mut faults).flatten() {
            builder = builder.dpop_nonces(nonces);
        }
        if let Some(name) = &self.pepper_env
            && let Some(pepper) = taken(Secret::from_env(name), &mut faults)
        {
            builder = builder.pepper(Secret::new(pepper.expose().clone().into_bytes()));
        }
        if let Some(lists) = &self.status_lists {
            builder = builder.status_lists(lists.to_settings());
        }
        for audience in &self.audiences {
            builder = builder.add_audience(audience.to_audience());
        }
        #[cfg(feature = "txn")]
        for domain in &self.trust_domains {
            if let Some(domain) = taken(domain.to_trust_domain(&self.folder, &remote), &mut faults) {
                builder = builder.add_trust_domain(domain);
            }
        }
        for client in &self.clients {
            if let Some(client) = taken(client.to_client(&self.issuer, &self.folder, &remote), &mut faults) {
                builder = builder.add_client(client);
            }
        }
        for federation in &self.federations {
            if let Some(federation) = taken(federation.to_federation(&self.folder, &remote), &mut faults) {
                builder = builder.add_federation(federation);
            }
        }
        for provider in &self.identity_providers {
            let provider = provider.to_identity_provider(&self.issuer, &self.folder, &remote);
            if let Some(provider) = taken(provider, &mut faults) {
                builder = builder.add_identity_provider(provider);
            }
        }
        ConfigError::check(faults)?; // before a store is opened
        match &self.store {
            Some(store) => store.open(builder, &self.folder),
            None => Ok(builder),
        }
    }

    /// The nonces of proofs, if they are demanded.
    fn nonces(&self) -> Result<Option<Nonces>, ConfigError> {
        let is_shared = self.store.as_ref().is_some_and(|store| store.postgres_env.is_some());
        let fault = |problem| Err(ConfigError::new("dpop_nonce_secret_env", problem));
        match &self.dpop_nonce_secret_env {
            Some(name) => {
                let secret = Secret::new(Secret::from_env(name)?.expose().clone().into_bytes());
                Nonces::from_secret(&secret)
                    .map(Some)
                    .or_else(|_| fault("shorter than 32 bytes; generate 32 random ones"))
            }
            None if self.dpop_nonces && is_shared => {
                fault("unset; instances that share a database accept each other's nonces only with one secret")
            }
            None if self.dpop_nonces => Nonces::generate().map(Some),
            None => Ok(None),
        }
    }
}

/// Returns the value, or adds its faults to the others.
fn taken<T>(read: Result<T, ConfigError>, faults: &mut Vec<Fault>) -> Option<T> {
    read.map_err(|error| faults.extend(error.faults().to_vec())).ok()
}
