//! An issuer as data: what `countersign issuer --config issuer.toml` reads. Unknown fields are refused.

mod client;
mod store;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_core::error::{ConfigError, Fault};
use countersign_core::key::{Algorithm, KeySet, KeySource, StaticKeys};
use countersign_core::policy::{KeysConfig, TrustedIssuerConfig};
use countersign_core::secret::Secret;
use serde::Deserialize;

pub use client::{ClientConfig, ExchangeConfig};
pub use store::StoreConfig;

use crate::builder::IssuerBuilder;
use crate::policy::{Audience, Federation};
use crate::server::Issuer;

/// The largest file that a configuration names, in bytes.
pub(super) const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// A whole issuer as plain data; judged as if it were written in Rust. Times are whole seconds.
///
/// Secrets stand in it as hashes alone. Files are named from where the configuration lies.
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
    /// Its name: the address that its endpoints are found under.
    pub issuer: String,
    /// Where the command listens. Default: the host and port of a loopback issuer; else it must be said.
    pub listen: Option<std::net::SocketAddr>,
    /// The algorithm of its keys. Default: ES256.
    pub algorithm: Option<Algorithm>,
    /// How long tokens live. Default 300, at most 3600.
    pub token_lifetime_seconds: Option<u64>,
    /// The age of a key at which a rotation begins, 3600 at least. Default: only on demand.
    pub rotate_every_seconds: Option<u64>,
    /// How many Argon2id checks run side by side. Default 4.
    pub secret_checks_at_once: Option<usize>,
    /// The environment variable that holds the pepper of keyed secrets.
    pub pepper_env: Option<String>,
    /// Where its state is kept. Default: in memory, which a restart forgets.
    pub store: Option<StoreConfig>,
    /// The services that tokens are made for.
    #[serde(default, rename = "audience")]
    pub audiences: Vec<AudienceConfig>,
    /// The services that ask for tokens.
    #[serde(default, rename = "client")]
    pub clients: Vec<ClientConfig>,
    /// Other issuers whose workloads are clients of ours.
    #[serde(default, rename = "federation")]
    pub federations: Vec<FederationConfig>,
    /// Where files are named from.
    #[serde(skip)]
    folder: PathBuf,
}

/// A service that tokens are made for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AudienceConfig {
    /// What tokens carry in `aud`.
    pub name: String,
    /// The scopes that tokens for it may carry.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// How long tokens for it live. Default: as the issuer says.
    pub token_lifetime_seconds: Option<u64>,
}

/// Another issuer, under which rules it is trusted, and which of our clients its subjects are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FederationConfig {
    /// The rules, as in a policy of the verifier.
    pub trusted: TrustedIssuerConfig,
    /// By subject: the client's id.
    pub subjects: BTreeMap<String, String>,
}

impl IssuerConfig {
    /// Reads TOML; files are named from the present folder.
    ///
    /// # Errors
    /// `ConfigError` for text that is no configuration, or has a field that none has. It does not repeat the text.
    #[cfg(feature = "config")]
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            // The text may hold what is not for logs; the message names fields and types alone.
            let line = error.span().map_or(0, |span| text.get(..span.start).map_or(0, |before| before.lines().count()));
            ConfigError::new("config", format!("line {line}: {}", error.message()))
        })
    }

    /// Reads a file of TOML; files are named from its folder.
    ///
    /// # Errors
    /// As [`from_toml`](Self::from_toml), and where the file cannot be read.
    #[cfg(feature = "config")]
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let text = read_file(path, "config")?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(IssuerConfig { folder, ..Self::from_toml(text.expose())? })
    }

    /// Builds the issuer; federations with keys inline or in files alone.
    ///
    /// # Errors
    /// `ConfigError` with every fault found, each naming its field.
    pub fn build(&self) -> Result<Issuer, ConfigError> {
        self.build_with(|trusted| {
            let problem = "keys from a network are for the command; name a file, or give them inline";
            Err(ConfigError::new(format!("federation {}: keys", trusted.issuer.escape_debug()), problem))
        })
    }

    /// Builds the issuer; `remote` finds the keys of issuers whose keys are neither inline nor in a file.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_with(
        &self,
        remote: impl Fn(&TrustedIssuerConfig) -> Result<Arc<dyn KeySource>, ConfigError>,
    ) -> Result<Issuer, ConfigError> {
        self.builder(remote)?.build()
    }

    /// The builder as the configuration says, to add to it in Rust.
    ///
    /// # Errors
    /// As [`build`](Self::build), for what must be read first.
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
        if let Some(seconds) = self.rotate_every_seconds {
            builder = builder.rotate_every(Duration::from_secs(seconds));
        }
        if let Some(checks) = self.secret_checks_at_once {
            builder = builder.secret_checks_at_once(checks);
        }
        if let Some(name) = &self.pepper_env
            && let Some(pepper) = taken(Secret::from_env(name), &mut faults)
        {
            builder = builder.pepper(Secret::new(pepper.expose().clone().into_bytes()));
        }
        for audience in &self.audiences {
            builder = builder.audience(audience.read());
        }
        for client in &self.clients {
            if let Some(client) = taken(client.read(&self.folder), &mut faults) {
                builder = builder.client(client);
            }
        }
        for federation in &self.federations {
            if let Some(federation) = taken(federation.read(&self.folder, &remote), &mut faults) {
                builder = builder.federation(federation);
            }
        }
        ConfigError::check(faults)?; // before a store is opened
        match &self.store {
            Some(store) => store.open(builder, &self.folder),
            None => Ok(builder),
        }
    }
}

impl AudienceConfig {
    fn read(&self) -> Audience {
        let audience = Audience::new(&self.name).scopes(&self.scopes);
        match self.token_lifetime_seconds {
            Some(seconds) => audience.token_lifetime(Duration::from_secs(seconds)),
            None => audience,
        }
    }
}

impl FederationConfig {
    fn read(
        &self,
        folder: &Path,
        remote: impl Fn(&TrustedIssuerConfig) -> Result<Arc<dyn KeySource>, ConfigError>,
    ) -> Result<Federation, ConfigError> {
        let keys = match &self.trusted.keys {
            KeysConfig::File(path) => {
                let text = read_file(&folder.join(path), "federation")?;
                let set = KeySet::from_jwks(text.expose().as_bytes());
                Arc::new(StaticKeys::from_set(set.map_err(|error| ConfigError::new("federation", error.to_string()))?))
            }
            place => place.inline().unwrap_or_else(|| remote(&self.trusted))?,
        };
        let federation = Federation::trusting(self.trusted.to_trusted_issuer(keys));
        let subjects = self.subjects.iter();
        Ok(subjects.fold(federation, |federation, (subject, client)| federation.subject_as_client(subject, client)))
    }
}

/// The value, or its faults among the others.
fn taken<T>(read: Result<T, ConfigError>, faults: &mut Vec<Fault>) -> Option<T> {
    read.map_err(|error| faults.extend(error.faults().to_vec())).ok()
}

fn read_file(path: &Path, field: &'static str) -> Result<Secret<String>, ConfigError> {
    use std::io::Read;
    let unreadable = |_| ConfigError::new(field, format!("the file {} cannot be read", path.display()));
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(unreadable)?;
    Ok(Secret::new(text))
}

#[cfg(all(test, feature = "config"))]
mod tests;
