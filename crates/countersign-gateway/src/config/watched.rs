//! A gateway that follows its file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign::authenticate::AuthenticateLayer;
use countersign_core::error::{ConfigError, Fault};
use countersign_core::policy::Policy;
use countersign_core::verify::Verifier;
use tokio::task::{AbortHandle, spawn_blocking};

use super::embedded::Embedded;
use super::file::GatewayConfig;
use super::parts::SwapConfig;
use super::text::read;
use crate::gateway::Gateway;
use crate::swap::Swap;

/// The interval between reads of the files.
const READ_EVERY: Duration = Duration::from_secs(10);

/// The pause after which changed files must have the same content, so that one in the middle of a write is not read.
const SETTLE: Duration = Duration::from_millis(100);

/// The reads of files that go on changing.
const MAX_READS: usize = 20;

/// A gateway of a configuration file, which is read again as it changes, with its routes and its policy.
///
/// Routes, headers and swaps change together, at once. If the files cannot be used, the last good rules stay in force and an ERROR is
/// logged once. What a server is built with does not change while it runs: `edge`, `listen`, `socket_mode`, `limits`, `metrics`,
/// `trusted_peers`, `challenge`, `dpop`, `api_keys`, `cookie`, `issuer`, `policy` and the name of `policy_file`. A file with another value there is refused like a faulty one. The content of the policy file is
/// followed as by [`PolicyFile`](countersign::reload::PolicyFile).
///
/// ```no_run
/// use axum::ServiceExt as _;
/// use countersign_gateway::{ForwardAuth, WatchedGateway};
///
/// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// let watched = WatchedGateway::from_file("/etc/gateway/gateway.toml")?;
/// let config = watched.config();
/// let checks = ForwardAuth::new(watched.gateway().clone(), config.edge).trusted_peers(config.peers()?);
/// let listener = tokio::net::TcpListener::bind(config.listen.to_string()).await?;
/// axum::serve(listener, checks.into_make_service_with_connect_info::<std::net::SocketAddr>()).await?;
/// # Ok(())
/// # }
/// ```
pub struct WatchedGateway {
    watch: Arc<Watch>,
    task: AbortHandle,
}

struct Watch {
    path: PathBuf,
    config: GatewayConfig,
    gateway: Gateway,
    verifier: Verifier,
    policy: Policy,
    layer: AuthenticateLayer,
    issuer: Option<Embedded>,
    /// One reload at a time.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

struct State {
    /// The files whose rules are in force.
    texts: Texts,
    swaps: Vec<(SwapConfig, Swap)>,
    /// The last files or error that were reported as refused.
    refused: Option<Result<Texts, String>>,
    error: Option<ConfigError>,
}

/// The text of the configuration, and that of its routes file.
#[derive(Clone, PartialEq, Eq)]
struct Texts(String, Option<String>);

impl WatchedGateway {
    /// Reads the file, builds the gateway and watches the file until the value is dropped, within the current tokio runtime.
    ///
    /// # Errors
    /// As [`GatewayConfig::from_file`], [`verifier`](GatewayConfig::verifier), [`layer`](GatewayConfig::layer) and
    /// [`rules`](GatewayConfig::rules).
    pub fn from_file(path: impl Into<PathBuf>) -> Result<Self, ConfigError> {
        let path = path.into();
        let (config, texts) = read_all(&path)?;
        let (verifier, policy) = config.verifier()?;
        let layer = config.audited_layer(&verifier, &policy)?;
        let table = config.table_from(texts.1.as_deref());
        let issuer = embedded_issuer(&config)?;
        let (rules, swaps) = config.rules_of(table, layer.clone(), &policy, issuer.as_ref(), &[])?;
        let (turn, gateway) = (tokio::sync::Mutex::default(), Gateway::new(rules));
        let state = Mutex::new(State { texts, swaps, refused: None, error: None });
        let watch = Arc::new(Watch { path, config, gateway, verifier, policy, layer, issuer, turn, state });
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| {
            ConfigError::new("runtime", "missing; build it inside a tokio runtime, which watches the file")
        })?;
        // Not held while it sleeps: with the gateway, the writer of its audit log ends, which writes what is left.
        let followed = Arc::downgrade(&watch);
        let task = runtime.spawn(async move {
            loop {
                tokio::time::sleep(READ_EVERY).await;
                let Some(followed) = followed.upgrade() else { return };
                let _ = followed.reload().await; // an error is logged and recorded
            }
        });
        Ok(WatchedGateway { watch, task: task.abort_handle() })
    }

    /// The gateway, whose clones follow the file.
    #[must_use]
    pub fn gateway(&self) -> &Gateway {
        &self.watch.gateway
    }

    /// The verifier of its policy.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.watch.verifier
    }

    /// The embedded issuer, if there is one (feature `issuer`): its keys are served to the services behind.
    #[cfg(feature = "issuer")]
    #[must_use]
    pub fn issuer(&self) -> Option<&countersign_issuer::Issuer> {
        self.watch.issuer.as_ref()
    }

    /// The layer that authenticates requests.
    #[must_use]
    pub fn layer(&self) -> &AuthenticateLayer {
        &self.watch.layer
    }

    /// The configuration at the start.
    #[must_use]
    pub fn config(&self) -> &GatewayConfig {
        &self.watch.config
    }

    /// The error of the last read, if it was refused.
    #[must_use]
    pub fn error(&self) -> Option<ConfigError> {
        self.watch.state().error.clone()
    }

    /// Reads the files now, such as on a signal. Returns whether other rules are in force.
    ///
    /// # Errors
    /// The error of the files; the last good rules stay in force.
    pub async fn reload(&self) -> Result<bool, ConfigError> {
        self.watch.reload().await
    }
}

impl Watch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn reload(&self) -> Result<bool, ConfigError> {
        let _turn = self.turn.lock().await;
        let read = self.read_settled().await;
        let seen = read.as_ref().map(|(_, texts)| texts.clone()).map_err(ToString::to_string);
        let result = read.and_then(|(config, texts)| self.replace(&config, texts));
        let mut state = self.state();
        state.error = result.as_ref().err().cloned();
        match &result {
            Ok(is_new) => {
                state.refused = None;
                if *is_new {
                    tracing::info!(target: "countersign::gateway", "the rules of the gateway were replaced");
                }
            }
            Err(error) => {
                let is_reported = state.refused.replace(seen.clone()) == Some(seen);
                if !is_reported {
                    tracing::error!(target: "countersign::gateway", %error, "the configuration is refused, the last good one stays in force");
                }
            }
        }
        result
    }

    /// Puts the rules of these files in force; returns whether they are others.
    fn replace(&self, config: &GatewayConfig, texts: Texts) -> Result<bool, ConfigError> {
        if self.state().texts == texts {
            return Ok(false);
        }
        let was = &self.config;
        let fixed = [
            ("edge", was.edge == config.edge),
            ("listen", was.listen == config.listen),
            ("socket_mode", was.socket_mode == config.socket_mode),
            ("limits", was.limits == config.limits),
            ("metrics", was.metrics == config.metrics),
            ("trusted_peers", was.trusted_peers == config.trusted_peers),
            ("challenge", was.challenge == config.challenge),
            ("dpop", was.dpop == config.dpop),
            ("api_keys", was.api_keys == config.api_keys),
            ("cookie", was.cookie == config.cookie),
            ("audit", was.audit == config.audit),
            ("issuer", was.issuer == config.issuer),
            ("policy", was.policy == config.policy),
            ("policy_file", was.policy_file == config.policy_file),
        ];
        let changed = fixed.iter().filter(|(_, is_same)| !is_same);
        let problem = "changed, which needs a restart; the content of a policy_file may change at any time";
        ConfigError::check(changed.map(|(field, _)| Fault::new(*field, problem)).collect())?;
        let known = self.state().swaps.clone();
        let table = config.table_from(texts.1.as_deref());
        let (rules, swaps) = config.rules_of(table, self.layer.clone(), &self.policy, self.issuer.as_ref(), &known)?;
        self.gateway.replace(rules);
        let mut state = self.state();
        (state.texts, state.swaps) = (texts, swaps);
        Ok(true)
    }

    /// Reads the files; changed ones until two reads are equal.
    async fn read_settled(&self) -> Result<(GatewayConfig, Texts), ConfigError> {
        let mut before: Option<Texts> = None;
        for _ in 0..MAX_READS {
            let path = self.path.clone();
            let read = spawn_blocking(move || read_all(&path)).await;
            let read = read.unwrap_or_else(|_| Err(ConfigError::new("gateway", "not readable: the read was aborted")));
            match read {
                Ok((config, texts)) if texts == self.state().texts || before.as_ref() == Some(&texts) => {
                    return Ok((config, texts));
                }
                Ok((_, texts)) => before = Some(texts),
                Err(error) if before.is_none() => before = Some(Texts(error.to_string(), None)),
                Err(error) => return Err(error),
            }
            tokio::time::sleep(SETTLE).await;
        }
        Err(ConfigError::new("gateway", "changes all the time; replace it by a rename"))
    }
}

#[cfg(feature = "issuer")]
fn embedded_issuer(config: &GatewayConfig) -> Result<Option<Embedded>, ConfigError> {
    config.embedded_issuer()
}

#[cfg(not(feature = "issuer"))]
fn embedded_issuer(config: &GatewayConfig) -> Result<Option<Embedded>, ConfigError> {
    let problem = "needs the feature issuer of the crate countersign-gateway";
    config.issuer.as_ref().map(|_| Err(ConfigError::new("issuer", problem))).transpose()
}

/// The configuration with the text of its files.
fn read_all(path: &Path) -> Result<(GatewayConfig, Texts), ConfigError> {
    let text = read(path, "gateway")?;
    let config = GatewayConfig::from_text(&text, path)?;
    let routes = config.routes_text()?;
    Ok((config, Texts(text, routes)))
}

impl Drop for WatchedGateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for WatchedGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedGateway").field("path", &self.watch.path).finish_non_exhaustive()
    }
}
