//! A client as data.

use std::path::Path;

use countersign_core::claims::TenantId;
use countersign_core::error::ConfigError;
use serde::Deserialize;

use super::read_file;
use crate::client::{Client, SecretHash};
use crate::grant::Grant;
use crate::policy::ExchangeRule;

/// A service that asks for tokens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Its id.
    pub id: String,
    /// Its secret as a hash: Argon2id, keyed, or bcrypt of an older system.
    pub secret: Option<StoredSecret>,
    /// More of them, kept under the pepper, for a change without a pause.
    #[serde(default)]
    pub more_secrets: Vec<StoredSecret>,
    /// A file with the public keys that check its assertions (a JWK Set).
    pub public_keys: Option<String>,
    /// The grants by their names in RFCs. Default: `client_credentials`, and token exchange where a rule is given.
    pub grants: Option<Vec<String>>,
    /// The audiences that it may have tokens for.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// The audience of a request that names none.
    pub default_audience: Option<String>,
    /// The scopes that it may have.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Audiences whose tokens it may look into.
    #[serde(default)]
    pub introspects: Vec<String>,
    /// Its tenant.
    pub tenant: Option<String>,
    /// Lets it in no more.
    #[serde(default)]
    pub locked: bool,
    /// For whom it may act.
    #[serde(default, rename = "exchange")]
    pub exchanges: Vec<ExchangeConfig>,
}

/// A stored secret, hidden from `Debug`.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct StoredSecret(String);

/// Lets a client act for its callers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ExchangeConfig {
    /// The audiences that it may exchange towards.
    pub towards: Vec<String>,
    /// The audiences of the tokens that it takes. Default: its own id.
    #[serde(default)]
    pub tokens_for: Vec<String>,
    /// The scopes that may be passed on. Default: the client's own.
    pub scopes: Option<Vec<String>>,
    /// Only for subjects that begin so.
    #[serde(default)]
    pub subjects_beginning_with: Vec<String>,
    /// Claims that are carried over.
    #[serde(default)]
    pub carrying: Vec<String>,
    /// Lets it stand in for the caller without being named (impersonation).
    #[serde(default)]
    pub danger_without_actor: bool,
}

impl ClientConfig {
    pub(super) fn read(&self, folder: &Path) -> Result<Client, ConfigError> {
        let field = |name: &str| format!("client {}: {name}", self.id.escape_debug());
        let mut client = Client::new(&self.id).audiences(&self.audiences).scopes(&self.scopes);
        if let Some(grants) = &self.grants {
            let named = |name: &String| Grant::ALL.into_iter().find(|grant| grant.name() == name);
            let known = grants.iter().map(named).collect::<Option<Vec<_>>>();
            let unknown = || ConfigError::new(field("grants"), "names a grant that is not served");
            client = client.grants(known.ok_or_else(unknown)?);
        }
        for secret in self.secret.iter().chain(&self.more_secrets) {
            let stored = SecretHash::parse(&secret.0).map_err(|error| {
                let problem = error.faults().first().map(|fault| fault.problem.clone()).unwrap_or_default();
                ConfigError::new(field("secret"), problem)
            })?;
            client = client.secret(stored);
        }
        if let Some(path) = &self.public_keys {
            client = client.public_keys(read_file(&folder.join(path), "public_keys")?.expose().clone());
        }
        if let Some(audience) = &self.default_audience {
            client = client.default_audience(audience);
        }
        if let Some(tenant) = &self.tenant {
            let bad = || ConfigError::new(field("tenant"), "not usable as a tenant's id");
            client = client.tenant(TenantId::new(tenant).map_err(|_| bad())?);
        }
        client = client.may_introspect(&self.introspects);
        if self.locked {
            client = client.locked();
        }
        Ok(self.exchanges.iter().fold(client, |client, rule| client.may_exchange(rule.read())))
    }
}

impl ExchangeConfig {
    fn read(&self) -> ExchangeRule {
        let mut rule = ExchangeRule::towards(&self.towards).tokens_for(&self.tokens_for).carrying(&self.carrying);
        if let Some(scopes) = &self.scopes {
            rule = rule.scopes(scopes);
        }
        for prefix in &self.subjects_beginning_with {
            rule = rule.subjects_beginning_with(prefix);
        }
        if self.danger_without_actor { rule.without_actor() } else { rule }
    }
}

impl std::fmt::Debug for StoredSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredSecret([hidden])")
    }
}
