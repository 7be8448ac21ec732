//! A whole gateway as data.

#[cfg(feature = "config")]
use std::path::Path;
use std::path::PathBuf;

use countersign::app::RouteTable;
use countersign::authenticate::{AuthenticateLayer, AuthenticateLayerBuilder};
use countersign::introspect::Introspection;
use countersign::keys;
use countersign::proof::Dpop;
use countersign::reload::PolicyFile;
use countersign_core::error::{ConfigError, Fault};
#[cfg(feature = "config")]
use countersign_core::integration::message_without_values;
use countersign_core::policy::Policy;
use countersign_core::verify::Verifier;
use serde::Deserialize;
use serde_json::Value;

use super::embedded::{Embedded, EmbeddedIssuerConfig};
use super::limits::{LimitsConfig, MetricsConfig};
use super::listen::ListenAddress;
use super::parts::{ApiKeysConfig, AuditConfig, ChallengeConfig, CookieConfig, DpopConfig, IdentityConfig, SwapConfig};
use super::text::read;
use crate::edge::{Edge, TrustedPeers};
use crate::rules::Rules;
use crate::swap::Swap;

/// The permissions of a Unix socket: its owner and its group may ask.
const SOCKET_MODE: u32 = 0o660;

/// The configuration of a gateway. Unknown fields are refused. Relative paths start at the folder of the file.
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
///     [identity.set]
///     x-caller = "subject"
/// "#).unwrap();
/// assert_eq!(config.identity.set.len(), 1);
/// assert!(GatewayConfig::from_toml("edge = \"nginx\"\nlisten = \"127.0.0.1:9001\"\npolicies = 1").is_err());
/// # }
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GatewayConfig {
    /// The program that asks.
    pub edge: Edge,
    /// The address at which the command listens, or `unix:` and the file of a socket.
    pub listen: ListenAddress,
    /// The permissions of the socket's file, in octal. Default: `660`. Who may write to the file may ask.
    pub socket_mode: Option<String>,
    /// The addresses and networks of the edge. Required beyond loopback.
    #[serde(default)]
    pub trusted_peers: Vec<String>,
    /// The policy, as a table of this file.
    pub policy: Option<Policy>,
    /// The file with the policy, in TOML or JSON, which is read again as it changes.
    pub policy_file: Option<PathBuf>,
    /// The routes, as tables of this file: `method`, `path`, `access` and `rule`, as in the JSON of a route table.
    #[serde(default, rename = "route")]
    pub routes: Vec<Value>,
    /// The file with the routes, as `RouteTable::to_json` writes it.
    pub routes_file: Option<PathBuf>,
    /// The headers that belong to the gateway.
    #[serde(default)]
    pub identity: IdentityConfig,
    /// Tells clients where they get tokens.
    pub challenge: Option<ChallengeConfig>,
    /// Accepts tokens that are bound to a key.
    pub dpop: Option<DpopConfig>,
    /// Takes API keys too.
    pub api_keys: Option<ApiKeysConfig>,
    /// Takes the token from a cookie too.
    pub cookie: Option<CookieConfig>,
    /// Records the decisions.
    pub audit: Option<AuditConfig>,
    /// The limits of connections, requests and swaps.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// Serves numbers for Prometheus.
    pub metrics: Option<MetricsConfig>,
    /// The issuer that mints tokens for swaps.
    pub issuer: Option<EmbeddedIssuerConfig>,
    /// The swaps of credentials.
    #[serde(default, rename = "swap")]
    pub swaps: Vec<SwapConfig>,
    /// The folder of the file.
    #[serde(skip)]
    folder: PathBuf,
}

impl GatewayConfig {
    /// Reads a configuration from TOML (feature `config`).
    ///
    /// # Errors
    /// `ConfigError` on field `gateway` if the text is not a configuration or has an unknown field. It repeats no value.
    #[cfg(feature = "config")]
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map(|before| format!("; line {}", before.matches('\n').count() + 1));
            let problem = message_without_values(error.message());
            ConfigError::new("gateway", format!("{problem}{}", line.unwrap_or_default()))
        })
    }

    /// Reads a configuration from a file in TOML (feature `config`).
    ///
    /// # Errors
    /// As [`from_toml`](Self::from_toml), and if the file cannot be read.
    #[cfg(feature = "config")]
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        Self::from_text(&read(path, "gateway")?, path)
    }

    /// The configuration in the text of this file.
    #[cfg(feature = "config")]
    pub(super) fn from_text(text: &str, path: &Path) -> Result<Self, ConfigError> {
        Ok(GatewayConfig { folder: path.parent().unwrap_or(Path::new("")).to_owned(), ..Self::from_toml(text)? })
    }

    /// The table of its routes.
    ///
    /// # Errors
    /// `ConfigError` with every fault of the table, and on field `route` if both or none of `route` and `routes_file` are set.
    pub fn table(&self) -> Result<RouteTable, ConfigError> {
        self.table_from(self.routes_text()?.as_deref())
    }

    /// The text of the file with the routes, if there is one.
    pub(super) fn routes_text(&self) -> Result<Option<String>, ConfigError> {
        self.routes_file.as_ref().map(|path| read(&self.folder.join(path), "routes_file")).transpose()
    }

    pub(super) fn table_from(&self, text: Option<&str>) -> Result<RouteTable, ConfigError> {
        match (text, self.routes.is_empty()) {
            (Some(text), true) => RouteTable::from_json(text),
            (None, false) => RouteTable::from_json(&Value::Array(self.routes.clone()).to_string()),
            (Some(_), false) => Err(ConfigError::new("route", "set beside routes_file; keep one of them")),
            (None, true) => Err(ConfigError::new("route", "missing; add [[route]] tables or routes_file")),
        }
    }

    /// The peers that may ask: those of `trusted_peers`, those on loopback, or those of a Unix socket.
    ///
    /// # Errors
    /// `ConfigError` on field `trusted_peers` for what is no network, if it is empty although `listen` is beyond loopback, and if it is
    /// set although `listen` is a Unix socket, whose peers have no address.
    pub fn peers(&self) -> Result<TrustedPeers, ConfigError> {
        let fault = |problem| Err(ConfigError::new("trusted_peers", problem));
        match &self.listen {
            ListenAddress::Unix(_) if self.trusted_peers.is_empty() => Ok(TrustedPeers::unix_socket()),
            ListenAddress::Unix(_) => {
                fault("set, and listen is a Unix socket, whose peers have no address; restrict its file by socket_mode")
            }
            ListenAddress::Tcp(_) if !self.trusted_peers.is_empty() => TrustedPeers::new(&self.trusted_peers),
            ListenAddress::Tcp(address) if address.ip().is_loopback() => Ok(TrustedPeers::loopback()),
            ListenAddress::Tcp(_) => {
                fault("missing, and listen is beyond loopback; name the addresses of the edge, such as 10.1.0.7")
            }
        }
    }

    /// The permissions of the file of a Unix socket: those of `socket_mode`, or `660`.
    ///
    /// # Errors
    /// `ConfigError` on field `socket_mode` if it is not octal, lets everybody write, or `listen` is no Unix socket.
    pub fn socket_permissions(&self) -> Result<u32, ConfigError> {
        let fault = |problem| Err(ConfigError::new("socket_mode", problem));
        let Some(text) = &self.socket_mode else { return Ok(SOCKET_MODE) };
        match (u32::from_str_radix(text, 8), &self.listen) {
            (_, ListenAddress::Tcp(_)) => fault("set, and listen is no Unix socket; remove it"),
            (Ok(mode), _) if mode & 0o002 != 0 => {
                fault("everybody on this machine could ask; use 660, and a group of the edge")
            }
            (Ok(mode), _) if mode <= 0o777 => Ok(mode),
            _ => fault("not permissions in octal; write some such as 660"),
        }
    }

    /// The verifier of its policy. A `policy_file` is watched, within the current tokio runtime.
    ///
    /// # Errors
    /// As for [`PolicyFile`] and [`Policy`], and on field `policy` if both or none of `policy` and `policy_file` are set.
    pub fn verifier(&self) -> Result<(Verifier, Policy), ConfigError> {
        match (&self.policy, &self.policy_file) {
            (Some(policy), None) => {
                let verifier = Verifier::builder().policy(policy, keys::from_config).build()?;
                Ok((verifier, policy.clone()))
            }
            (None, Some(path)) => {
                let watched = PolicyFile::new(self.folder.join(path)).build()?;
                Ok((watched.verifier().clone(), (*watched.policy()).clone()))
            }
            (Some(_), Some(_)) => Err(ConfigError::new("policy", "set beside policy_file; keep one of them")),
            (None, None) => Err(ConfigError::new("policy", "missing; add the table policy or policy_file")),
        }
    }

    /// The policy as it is now, for tools that show it.
    ///
    /// # Errors
    /// As [`verifier`](Self::verifier), for what the policy says.
    #[cfg(feature = "config")]
    pub fn read_policy(&self) -> Result<Policy, ConfigError> {
        match (&self.policy, &self.policy_file) {
            (Some(policy), None) => Ok(policy.clone()),
            (None, Some(path)) => {
                let text = read(&self.folder.join(path), "policy_file")?;
                if text.trim_start().starts_with('{') { Policy::from_json(&text) } else { Policy::from_toml(&text) }
            }
            (Some(_), Some(_)) => Err(ConfigError::new("policy", "set beside policy_file; keep one of them")),
            (None, None) => Err(ConfigError::new("policy", "missing; add the table policy or policy_file")),
        }
    }

    /// The layer that authenticates requests by this verifier, without the audit log: for tools, whose requests are not those of
    /// clients.
    ///
    /// # Errors
    /// As [`AuthenticateLayerBuilder::build`].
    pub fn layer(&self, verifier: &Verifier, policy: &Policy) -> Result<AuthenticateLayer, ConfigError> {
        self.layer_builder(verifier, policy)?.build()
    }

    /// The layer with the audit log, whose file it opens.
    ///
    /// # Errors
    /// As [`layer`](Self::layer), and if the file of the log cannot be opened or that of the key for pseudonyms cannot be read.
    pub fn audited_layer(&self, verifier: &Verifier, policy: &Policy) -> Result<AuthenticateLayer, ConfigError> {
        let layer = self.layer_builder(verifier, policy)?;
        match &self.audit {
            Some(audit) => audit.added_to(layer, &self.folder)?.build(),
            None => layer.build(),
        }
    }

    fn layer_builder(&self, verifier: &Verifier, policy: &Policy) -> Result<AuthenticateLayerBuilder, ConfigError> {
        let mut layer = AuthenticateLayer::builder(verifier.clone());
        if let Some(introspection) = Introspection::from_config(policy)? {
            layer = layer.introspection(introspection);
        }
        if let Some(challenge) = &self.challenge {
            layer = challenge.added_to(layer);
        }
        if let Some(DpopConfig { external_urls }) = &self.dpop {
            let (first, rest) = external_urls.split_first().ok_or_else(|| {
                ConfigError::new("dpop: external_urls", "empty; name the address under which clients call the edge")
            })?;
            layer = layer.dpop(rest.iter().fold(Dpop::at(first), Dpop::and_at));
        }
        if let Some(api_keys) = &self.api_keys {
            layer = layer.api_keys(api_keys.keys(&self.folder)?);
        }
        if let Some(cookie) = &self.cookie {
            layer = layer.cookie(cookie.token());
        }
        Ok(layer.keep_caller_token()) // for swaps, also those that a later version of the file has
    }

    /// The rules of its routes, behind this layer. `policy` has the defaults of the swaps: issuer and connection.
    ///
    /// # Errors
    /// `ConfigError` with every fault of routes, requirements, headers and swaps.
    pub fn rules(&self, layer: AuthenticateLayer, policy: &Policy) -> Result<Rules, ConfigError> {
        let table = self.table();
        Ok(self.rules_of(table, layer, policy, None, &[])?.0)
    }

    /// As [`rules`](Self::rules), with swaps that this issuer mints tokens for (feature `issuer`).
    ///
    /// # Errors
    /// As [`rules`](Self::rules).
    #[cfg(feature = "issuer")]
    pub fn rules_with(
        &self,
        layer: AuthenticateLayer,
        policy: &Policy,
        issuer: &countersign_issuer::Issuer,
    ) -> Result<Rules, ConfigError> {
        Ok(self.rules_of(self.table(), layer, policy, Some(issuer), &[])?.0)
    }

    /// The embedded issuer, if there is one (feature `issuer`). It opens the store.
    ///
    /// # Errors
    /// As `IssuerConfig::from_file` and `IssuerConfig::build_with` of the crate `countersign-issuer`, and on field `issuer: listen` if
    /// the keys would be served nowhere.
    #[cfg(all(feature = "issuer", feature = "config"))]
    pub fn embedded_issuer(&self) -> Result<Option<countersign_issuer::Issuer>, ConfigError> {
        self.issuer.as_ref().map(|issuer| issuer.build(&self.folder)).transpose()
    }

    /// The rules of this table, and their swaps. Swaps that did not change keep their tokens.
    pub(super) fn rules_of(
        &self,
        table: Result<RouteTable, ConfigError>,
        layer: AuthenticateLayer,
        policy: &Policy,
        issuer: Option<&Embedded>,
        known: &[(SwapConfig, Swap)],
    ) -> Result<(Rules, Vec<(SwapConfig, Swap)>), ConfigError> {
        let mut faults: Vec<Fault> = Vec::new();
        let mut collect = |error: ConfigError| faults.extend(error.faults().iter().cloned());
        let table = table.map_err(&mut collect).ok();
        let headers = self.identity.headers().map_err(&mut collect).ok();
        let mut swaps = Vec::new();
        for config in &self.swaps {
            let swap = match known.iter().find(|(known, _)| known == config) {
                Some((_, swap)) => Ok(swap.clone()),
                None => {
                    let swap = config.swap(&self.folder, policy, issuer, &self.limits);
                    swap.map(|swap| self.limits.applied_to(swap))
                }
            };
            match swap {
                Ok(swap) => swaps.push((config.clone(), swap)),
                Err(error) => collect(error),
            }
        }
        ConfigError::check(faults)?;
        let (Some(table), Some(headers)) = (table, headers) else {
            return Err(ConfigError::new("gateway", "the routes could not be read"));
        };
        let cookie = self.cookie.is_some().then_some(http::header::COOKIE);
        let header = self.api_keys.as_ref().and_then(|keys| keys.header.as_ref()?.parse().ok());
        let rules = Rules::new(&table, layer, headers)?.credentials(cookie.into_iter().chain(header));
        let rules = rules.swaps(swaps.iter().map(|(_, swap)| swap.clone()))?;
        Ok((rules, swaps))
    }
}
