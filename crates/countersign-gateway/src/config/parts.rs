//! The tables of a configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use countersign::audit::{AuditEvents, AuditLog, AuditWriter};
use countersign::authenticate::{AuthenticateLayerBuilder, CookieToken};
use countersign::pseudonym::Pseudonyms;
use countersign::secret::Secret;
use countersign_apikey::{ApiKeys, FileKeyStore, Pepper};
use countersign_core::error::ConfigError;
use countersign_core::integration::safe_text;
use countersign_core::policy::{OutboundConfig, Policy};
use serde::Deserialize;

use super::embedded::{Embedded, MintConfig};
use super::limits::LimitsConfig;
use super::text::read;
use crate::identity::{IdentityValue, ReservedHeaders};
use crate::swap::Swap;

/// The headers that belong to the gateway; see [`ReservedHeaders`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IdentityConfig {
    /// The headers to set, each with its value: `issuer`, `subject`, `client`, `actor`, `tenant`, `scopes`, `roles`, `permissions`.
    #[serde(default)]
    pub set: BTreeMap<String, IdentityValue>,
    /// Other names that clients may not send, and prefixes such as `x-internal-*`.
    #[serde(default)]
    pub reserve: Vec<String>,
}

/// The parameters of challenges by which clients find out where and for what they get tokens (RFC 9728, RFC 6750).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ChallengeConfig {
    /// The address of the protected-resource metadata. The edge serves the document, without asking the gateway.
    pub resource_metadata_url: Option<String>,
    /// The scopes that callers without a valid token should ask for. It demands none: the rules of routes do.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// Proofs for tokens that are bound to a key; see [`Dpop`](countersign::proof::Dpop).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DpopConfig {
    /// The addresses under which clients call the edge.
    pub external_urls: Vec<String>,
}

/// API keys in a file, which callers may send; see [`ApiKeys`]. The policy trusts their authority with `keys = "api_keys"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ApiKeysConfig {
    /// The authority of the keys, which is the issuer of their callers.
    pub authority: String,
    /// The file with the keys, as `countersign apikey` writes it.
    pub file: PathBuf,
    /// The file with the pepper.
    pub pepper_file: PathBuf,
    /// The prefix of the keys. Default: `key`.
    pub prefix: Option<String>,
    /// The header of keys. Default: they are bearer tokens.
    pub header: Option<String>,
}

/// A cookie with the token; see [`CookieToken`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CookieConfig {
    /// The name of the cookie.
    pub name: String,
    /// The origins whose pages may cause requests that change something, besides the edge's own.
    #[serde(default)]
    pub origins: Vec<String>,
}

/// An audit log of the decisions; see [`AuditLog`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AuditConfig {
    /// The name of the gateway in the events.
    pub service: String,
    /// The file for JSON lines. Default: the log of the process gets the events.
    pub file: Option<PathBuf>,
    /// The client id of the gateway at the token service, by which `countersign trace` finds its calls.
    pub client_id: Option<String>,
    /// The issuer of that client, if others may have one of the same name.
    pub client_issuer: Option<String>,
    /// Records allowed requests of authenticated callers too.
    #[serde(default)]
    pub allowed: bool,
    /// Records allowed requests of anonymous callers too.
    #[serde(default)]
    pub anonymous: bool,
    /// The file with the key for pseudonyms of subjects, of at least 32 bytes. Without it, events name no subject.
    pub pseudonym_key_file: Option<PathBuf>,
}

/// A swap of credentials; see [`Swap`](crate::Swap).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SwapConfig {
    /// The path of the routes, or its beginning.
    pub prefix: String,
    /// The token service, the gateway's client there, the audience, and the origin of the next service: as a binding of
    /// the outbound client in a policy.
    pub token: Option<OutboundConfig>,
    /// Accepts that the tokens of `token` name its client in place of an actor, as those of Keycloak do.
    #[serde(default)]
    pub client_as_actor: bool,
    /// The token that the embedded issuer mints, in place of `token`.
    pub mint: Option<MintConfig>,
    /// Requests a transaction token too; `token` is then the gateway's own.
    pub transaction: Option<SwapTransactionConfig>,
}

/// A transaction that begins with each request; see [`Swap::with_transaction`](crate::Swap::with_transaction).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SwapTransactionConfig {
    /// The purpose of the transactions: scopes of the trust domain, separated by spaces.
    pub scope: String,
}

impl ChallengeConfig {
    /// The layer with these challenges.
    pub(super) fn added_to(&self, layer: AuthenticateLayerBuilder) -> AuthenticateLayerBuilder {
        let layer = layer.challenge_scopes(&self.scopes);
        match &self.resource_metadata_url {
            Some(url) => layer.resource_metadata_url(url),
            None => layer,
        }
    }
}

impl ApiKeysConfig {
    pub(super) fn keys(&self, folder: &Path) -> Result<ApiKeys, ConfigError> {
        let pepper = Pepper::from_file(folder.join(&self.pepper_file))?;
        let mut builder = ApiKeys::builder(&self.authority, FileKeyStore::new(folder.join(&self.file)), pepper);
        if let Some(prefix) = &self.prefix {
            builder = builder.prefix(prefix);
        }
        if let Some(header) = &self.header {
            builder = builder.header(header);
        }
        builder.build()
    }
}

impl AuditConfig {
    /// The layer with the log.
    pub(super) fn added_to(
        &self,
        mut layer: AuthenticateLayerBuilder,
        folder: &Path,
    ) -> Result<AuthenticateLayerBuilder, ConfigError> {
        let mut log = match &self.file {
            Some(file) => AuditLog::new(&self.service, AuditWriter::with_file(folder.join(file))?),
            None => AuditLog::new(&self.service, AuditEvents),
        };
        if let Some(client) = &self.client_id {
            log = log.client_id(client);
        }
        if let Some(issuer) = &self.client_issuer {
            log = log.client_issuer(issuer);
        }
        if self.allowed {
            log = log.allowed();
        }
        if self.anonymous {
            log = log.anonymous();
        }
        if let Some(file) = &self.pseudonym_key_file {
            let key = Secret::new(read(&folder.join(file), "audit: pseudonym_key_file")?.into_bytes());
            layer = layer.log_subjects(Pseudonyms::new(&key)?);
        }
        Ok(layer.audit(log))
    }
}

impl CookieConfig {
    pub(super) fn token(&self) -> CookieToken {
        CookieToken::new(&self.name).origins(&self.origins)
    }
}

impl SwapConfig {
    /// The swap of these settings.
    pub(super) fn swap(
        &self,
        folder: &Path,
        policy: &Policy,
        issuer: Option<&Embedded>,
        limits: &LimitsConfig,
    ) -> Result<Swap, ConfigError> {
        let bytes = limits.swap_cache_bytes.map(std::num::NonZero::get);
        let fault = |problem: &'static str| Err(ConfigError::new(format!("swap {}", safe_text(&self.prefix)), problem));
        match (&self.token, &self.mint, &self.transaction) {
            (Some(token), None, None) => {
                let swap = Swap::within(&self.prefix, &token_from(token, folder), policy, bytes)?;
                let client = token.client.as_ref().filter(|_| self.client_as_actor);
                Ok(client.into_iter().fold(swap, Swap::client_as_actor))
            }
            (Some(token), None, Some(transaction)) if !self.client_as_actor => {
                Swap::with_transaction(&self.prefix, &token_from(token, folder), &transaction.scope, policy)
            }
            (None, Some(mint), None) => mint.swap(&self.prefix, issuer, policy, bytes),
            (_, _, Some(_)) => fault("transaction without token, or beside mint or client_as_actor; set token only"),
            _ => fault("neither token nor mint, or both; set one of them"),
        }
    }
}

/// The settings, with paths that start at `folder` if they are relative.
fn token_from(token: &OutboundConfig, folder: &Path) -> OutboundConfig {
    let mut token = token.clone();
    let (roots, certificate) = match &mut token.connection {
        Some(connection) => (
            &mut connection.roots_files[..],
            [&mut connection.certificate_file, &mut connection.key_file].into_iter().flatten().collect::<Vec<_>>(),
        ),
        None => (&mut [][..], Vec::new()),
    };
    let own = [&mut token.secret_file, &mut token.key_file, &mut token.certificate_file, &mut token.dpop_key_file];
    for path in own.into_iter().flatten().chain(certificate).chain(roots) {
        if let Ok(joined) = folder.join(&*path).into_os_string().into_string() {
            *path = joined;
        }
    }
    token
}

impl IdentityConfig {
    pub(super) fn headers(&self) -> Result<ReservedHeaders, ConfigError> {
        let set = self.set.iter().fold(ReservedHeaders::new(), |headers, (name, value)| headers.set(name, *value));
        self.reserve.iter().fold(set, ReservedHeaders::reserve).build()
    }
}
