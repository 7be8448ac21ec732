//! The settings of a policy file that is watched.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::{Clock, SystemClock};
use countersign_core::error::ConfigError;
use countersign_core::key::KeySource;
use countersign_core::policy::TrustedIssuerConfig;

use super::known_keys::MakeKeys;
use super::shadow::ShadowPolicy;
use crate::keys;

/// The interval between reads of the file.
const READ_EVERY: Duration = Duration::from_secs(10);

/// A policy in a file that is read again as it changes, such as a mounted ConfigMap.
///
/// The file is compared by content, so a replaced symbolic link counts as a change. A new policy replaces the old one at once,
/// in every layer and clone of the verifier, and cached tokens are verified again. Each token is verified under one policy from
/// the first step to the last. If a file cannot be read, is not a policy or does not build, the last good policy stays in force:
/// an ERROR is logged once, [`Health`](crate::health::Health) and
/// [`Verifier::policy_error`](countersign_core::verify::Verifier::policy_error) report it. Keys of issuers that did not change
/// stay.
///
/// ```no_run
/// use countersign::prelude::*;
/// use countersign::reload::PolicyFile;
///
/// #[tokio::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let policy = PolicyFile::new("/etc/orders/policy.toml").build()?;
///     let app: axum::Router = axum::Router::new().layer(AuthenticateLayer::new(policy.verifier().clone()));
///     # let _ = app;
///     Ok(())
/// }
/// ```
#[must_use]
pub struct PolicyFile {
    pub(super) path: PathBuf,
    pub(super) interval: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) keys: Arc<MakeKeys>,
    pub(super) denies_danger: bool,
    pub(super) shadow: Option<ShadowPolicy>,
}

impl PolicyFile {
    /// The policy in this file, in TOML (feature `config`) or JSON.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        PolicyFile {
            path: path.into(),
            interval: READ_EVERY,
            clock: Arc::new(SystemClock),
            keys: Arc::new(keys::from_config),
            denies_danger: false,
            shadow: None,
        }
    }

    /// Sets the interval between reads of the file. Default: 10 s.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Uses this clock instead of the system clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = clock.into_shared();
        self
    }

    /// Creates key sources with this function instead of [`keys::from_config`](crate::keys::from_config).
    pub fn keys(
        mut self,
        keys: impl Fn(&TrustedIssuerConfig) -> Result<Arc<dyn KeySource>, ConfigError> + Send + Sync + 'static,
    ) -> Self {
        self.keys = Arc::new(keys);
        self
    }

    /// Compares this policy with the one in force, on real requests. It decides nothing.
    pub fn shadow(mut self, shadow: ShadowPolicy) -> Self {
        self.shadow = Some(shadow);
        self
    }

    /// Refuses every policy that is weakened, whatever the file states: issuers, keys and outbound bindings. For releases.
    ///
    /// [`WatchedPolicy::policy`](super::WatchedPolicy::policy) states it too, for the outbound client that is made of it.
    pub fn deny_danger(mut self) -> Self {
        self.denies_danger = true;
        self
    }
}

impl fmt::Debug for PolicyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyFile").field("path", &self.path).field("interval", &self.interval).finish_non_exhaustive()
    }
}
