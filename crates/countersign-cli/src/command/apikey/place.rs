//! The place of the keys.

use std::path::PathBuf;

use clap::Args;
use countersign::secret::Secret;
use countersign_apikey::{ApiKeys, FileKeyStore, Pepper, PostgresKeyStore};

use crate::exit::Failure;

/// The name of an authority, which no change of a key needs.
const ANY_AUTHORITY: &str = "https://localhost/api-keys";

/// A file or a database.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Place {
    /// The file with the keys
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The environment variable with the settings of PostgreSQL: host=/run/postgresql user=shop dbname=shop
    #[arg(long, value_name = "VARIABLE")]
    postgres_env: Option<String>,
}

impl Place {
    /// The keys, for what needs no pepper.
    pub(super) fn keys(&self) -> Result<ApiKeys, Failure> {
        self.keys_with(Pepper::random()?, "key")
    }

    /// The keys, to make one.
    pub(super) fn keys_with(&self, pepper: Pepper, prefix: &str) -> Result<ApiKeys, Failure> {
        let builder = match (&self.file, &self.postgres_env) {
            (Some(file), _) => ApiKeys::builder(ANY_AUTHORITY, FileKeyStore::new(file), pepper),
            (None, variable) => {
                let settings = Secret::from_env(variable.as_deref().unwrap_or_default())?;
                ApiKeys::builder(ANY_AUTHORITY, PostgresKeyStore::connect(&settings)?, pepper)
            }
        };
        Ok(builder.prefix(prefix).build()?)
    }
}
