//! A store as data.

use std::path::Path;

use countersign_core::error::ConfigError;
use serde::Deserialize;

use crate::builder::IssuerBuilder;
use crate::store::StoreKey;

/// A file or a database, and the key that seals private keys in it.
///
/// ```
/// # #[cfg(feature = "config")] {
/// use countersign_issuer::IssuerConfig;
///
/// let sealed = "issuer = \"http://127.0.0.1:4000\"\n[store]\nfile = \"issuer.redb\"\nkey_env = \"UNSET_STORE_KEY\"";
/// let fault = IssuerConfig::from_toml(sealed).unwrap().build().unwrap_err();
/// assert_eq!(fault.faults()[0].field, "UNSET_STORE_KEY");
/// # }
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct StoreConfig {
    /// One crash-safe file, for one instance.
    pub file: Option<String>,
    /// The environment variable with the settings of PostgreSQL in the form of libpq, for several instances; see
    /// `PostgresStore::connect`.
    pub postgres_env: Option<String>,
    /// The file, of mode 0600, with the key that seals private keys.
    pub key_file: Option<String>,
    /// The environment variable with that key.
    pub key_env: Option<String>,
}

impl StoreConfig {
    pub(super) fn open(&self, mut builder: IssuerBuilder, folder: &Path) -> Result<IssuerBuilder, ConfigError> {
        let key = match (&self.key_file, &self.key_env) {
            (Some(_), Some(_)) => return Err(ConfigError::new("store", "both key_file and key_env; set one of them")),
            (Some(path), None) => Some(StoreKey::from_file(folder.join(path))?),
            (None, Some(name)) => Some(StoreKey::from_env(name)?),
            (None, None) => None,
        };
        if let Some(key) = key {
            builder = builder.store_key(key);
        }
        match (&self.file, &self.postgres_env) {
            (Some(path), None) => file(builder, &folder.join(path)),
            (None, Some(name)) => postgres(builder, name),
            _ => Err(ConfigError::new("store", "neither file nor postgres_env, or both; set one of them")),
        }
    }
}

#[cfg(feature = "file")]
fn file(builder: IssuerBuilder, path: &Path) -> Result<IssuerBuilder, ConfigError> {
    Ok(builder.store(std::sync::Arc::new(crate::store::FileStore::open(path)?)))
}

#[cfg(not(feature = "file"))]
fn file(_: IssuerBuilder, _: &Path) -> Result<IssuerBuilder, ConfigError> {
    Err(ConfigError::new("store", "file needs the feature `file`, which this program was built without"))
}

#[cfg(feature = "postgres")]
fn postgres(builder: IssuerBuilder, name: &str) -> Result<IssuerBuilder, ConfigError> {
    let settings = countersign_core::secret::Secret::from_env(name)?;
    Ok(builder.store(std::sync::Arc::new(crate::store::PostgresStore::connect(&settings)?)))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: IssuerBuilder, _: &str) -> Result<IssuerBuilder, ConfigError> {
    Err(ConfigError::new("store", "postgres_env needs the feature `postgres`, which this program was built without"))
}
