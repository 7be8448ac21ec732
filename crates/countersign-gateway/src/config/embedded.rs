//! An embedded issuer, and the tokens that it mints for swaps, as data.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use countersign_core::error::ConfigError;
use countersign_core::policy::Policy;
use serde::Deserialize;

use crate::swap::Swap;

/// The embedded issuer of a configuration.
#[cfg(feature = "issuer")]
pub(super) type Embedded = countersign_issuer::Issuer;

/// Without the feature `issuer` there is none.
#[cfg(not(feature = "issuer"))]
pub(super) type Embedded = std::convert::Infallible;

/// An issuer in the process of the gateway, which mints tokens for the services behind (feature `issuer`).
///
/// It gives tokens to nobody else: it has no token endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EmbeddedIssuerConfig {
    /// The configuration of the issuer, in the form of `countersign issuer`: its name, audiences and store.
    pub file: PathBuf,
    /// The address at which the command serves the keys, for the services behind. Required unless the store is a database, which
    /// another instance can have too.
    pub listen: Option<SocketAddr>,
}

/// The tokens of a swap that the embedded issuer mints; see `InternalToken`.
///
/// ```
/// # #[cfg(feature = "config")] {
/// use countersign_gateway::GatewayConfig;
///
/// let config = GatewayConfig::from_toml(r#"
///     edge = "nginx"
///     listen = "127.0.0.1:9001"
///     policy_file = "policy.toml"
///     routes_file = "routes.json"
///     [issuer]
///     file = "issuer.toml"
///     listen = "127.0.0.1:9003"
///     [[swap]]
///     prefix = "/orders"
///     [swap.mint]
///     audience = "orders"
///     scopes = ["orders:read"]
/// "#).unwrap();
/// assert_eq!(config.swaps[0].mint.as_ref().map(|mint| mint.audience.as_str()), Some("orders"));
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MintConfig {
    /// The next service: an audience of the embedded issuer.
    pub audience: String,
    /// The name of the gateway, as client and actor. Default: `gateway`.
    pub client: Option<String>,
    /// The scopes that tokens may have, of those of the caller. Default: none.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The issuers of callers, each with the prefix of its subjects. Default: the issuer of the policy, without a prefix, if there is
    /// only one.
    #[serde(default)]
    pub subjects: BTreeMap<String, String>,
    /// More claims to copy, such as `tenant` and `roles`.
    #[serde(default)]
    pub copied_claims: Vec<String>,
    /// Binds the tokens to a key of the gateway (DPoP, RFC 9449); needs `origin`.
    #[serde(default)]
    pub dpop: bool,
    /// Scheme, host and port of the next service, for the proofs.
    pub origin: Option<String>,
}

impl MintConfig {
    #[cfg(feature = "issuer")]
    pub(super) fn swap(
        &self,
        prefix: &str,
        issuer: Option<&Embedded>,
        policy: &Policy,
        cache_bytes: Option<usize>,
    ) -> Result<Swap, ConfigError> {
        let fault =
            |field: &str, problem: &'static str| Err(ConfigError::new(format!("swap {prefix}: {field}"), problem));
        let Some(issuer) = issuer else {
            return fault("mint", "needs an embedded issuer; add the table issuer with its file");
        };
        let mut token = crate::mint::InternalToken::new(issuer, &self.audience)
            .scopes(&self.scopes)
            .copied_claims(&self.copied_claims);
        if let Some(client) = &self.client {
            token = token.client(client);
        }
        if let Some(bytes) = cache_bytes {
            token = token.cache_bytes(bytes);
        }
        token = match (&self.subjects.is_empty(), &policy.issuers[..]) {
            (true, [only]) => token.subjects_of(&only.issuer, ""),
            (true, _) => {
                let problem =
                    "missing, and the policy does not trust exactly one issuer; give each a prefix for its subjects";
                return fault("subjects", problem);
            }
            (false, _) => self.subjects.iter().fold(token, |token, (name, prefix)| token.subjects_of(name, prefix)),
        };
        token = match (self.dpop, &self.origin) {
            (true, Some(origin)) => token.bound_for(origin),
            (true, None) => return fault("origin", "missing; name the next service, whose address proofs have"),
            (false, Some(_)) => return fault("origin", "set without dpop; only proofs have an address"),
            (false, None) => token,
        };
        Swap::minted(prefix, token)
    }

    #[cfg(not(feature = "issuer"))]
    pub(super) fn swap(
        &self,
        prefix: &str,
        _: Option<&Embedded>,
        _: &Policy,
        _: Option<usize>,
    ) -> Result<Swap, ConfigError> {
        let problem = "needs the feature issuer of the crate countersign-gateway";
        Err(ConfigError::new(format!("swap {prefix}: mint"), problem))
    }
}

#[cfg(all(feature = "issuer", feature = "config"))]
impl EmbeddedIssuerConfig {
    /// Reads the configuration of the issuer, opens its store, and builds it.
    pub(super) fn build(&self, folder: &std::path::Path) -> Result<Embedded, ConfigError> {
        let config = countersign_issuer::IssuerConfig::from_file(folder.join(&self.file))?;
        let is_shared = config.store.as_ref().is_some_and(|store| store.postgres_env.is_some());
        if self.listen.is_none() && !is_shared {
            let problem = "missing; the services behind fetch the keys there. Only with a database can another instance serve them";
            return Err(ConfigError::new("issuer: listen", problem));
        }
        config.build_with(countersign::keys::from_config)
    }
}
