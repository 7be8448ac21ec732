//! The settings of a policy that comes in signed bundles.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::bundle::BundleVerifier;
use countersign_core::clock::{Clock, SystemClock};
use countersign_core::error::{ConfigError, Fault};
use countersign_core::key::KeySource;
use countersign_core::policy::TrustedIssuerConfig;

use super::bundle_source::BundleSource;
use super::source::Source;
use crate::fetch::ConnectionSettings;
use crate::keys;
use crate::reload::known_keys::MakeKeys;
use crate::reload::shadow::ShadowPolicy;
use crate::rt;

/// The interval between pulls.
const PULL_EVERY: Duration = Duration::from_secs(60);

/// The longest interval between pulls.
const MAX_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// A policy in signed bundles, the same for all instances of a fleet: from an HTTPS address, a file or another source.
///
/// A fleet is what shares one policy. Services with different audiences are different fleets, each with its bundle.
///
/// A bundle replaces the policy in force only if a pinned key signed it for this fleet, its time is not over, its revision is
/// higher than the last, and a verifier can be built of it. Otherwise the last good one stays, an ERROR is logged once, and
/// [`Health`](crate::health::Health), [`Verifier::policy_error`](countersign_core::verify::Verifier::policy_error) and reports
/// of the feature `fleet` state why. Everything else is as with [`PolicyFile`](super::super::PolicyFile): a new policy
/// holds at once, for all clones of the verifier, and keys of issuers that did not change stay.
///
/// ```no_run
/// use countersign::bundle::BundleVerifier;
/// use countersign::key::KeySet;
/// use countersign::prelude::*;
/// use countersign::reload::PolicyBundle;
///
/// #[tokio::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let pins = KeySet::from_jwks(&std::fs::read("/etc/orders/bundle-keys.json")?)?;
///     let policy = PolicyBundle::from_url(
///         "https://policies.example.com/orders.jws",
///         BundleVerifier::new("orders-production", pins)?,
///     )
///     .last_good("/var/lib/orders/policy.jws")
///     .deny_danger()
///     .build()
///     .await?;
///     let app: axum::Router = axum::Router::new().layer(AuthenticateLayer::new(policy.verifier().clone()));
///     # let _ = app;
///     Ok(())
/// }
/// ```
#[must_use]
pub struct PolicyBundle {
    pub(super) source: Source,
    pub(super) bundles: BundleVerifier,
    pub(super) last_good: Option<PathBuf>,
    pub(super) interval: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) keys: Arc<MakeKeys>,
    pub(super) denies_danger: bool,
    pub(super) shadow: Option<ShadowPolicy>,
}

impl PolicyBundle {
    /// The bundle at this address: `https`, or `http` on loopback. Redirects are not followed.
    ///
    /// A server that sends an `ETag` is asked with `If-None-Match`.
    pub fn from_url(url: impl Into<String>, bundles: BundleVerifier) -> Self {
        Self::new(Source::from_url(url.into()), bundles)
    }

    /// The bundle in this file, which is replaced by a rename.
    pub fn from_file(path: impl Into<PathBuf>, bundles: BundleVerifier) -> Self {
        Self::new(Source::File(path.into()), bundles)
    }

    /// The bundle of this source, such as `countersign_redis::RedisBundles`. [`BundleSource`] has an example.
    ///
    /// Everything is as with an address: the checks, the last good bundle, the interval and the pauses. What the source tells by
    /// [`BundleSource::changed`] is a hint, as [`BundledPolicy::hint`](super::BundledPolicy::hint) is.
    pub fn from_source(source: impl BundleSource, bundles: BundleVerifier) -> Self {
        Self::new(Source::Other(Arc::new(source)), bundles)
    }

    fn new(source: Source, bundles: BundleVerifier) -> Self {
        PolicyBundle {
            source,
            bundles,
            last_good: None,
            interval: PULL_EVERY,
            clock: Arc::new(SystemClock),
            keys: Arc::new(keys::from_config),
            denies_danger: false,
            shadow: None,
        }
    }

    /// Keeps the bundle in force in this file, for starts while the source is down. Each instance needs its own.
    ///
    /// It is written with mode 0600, replaced in one step, and checked like any other bundle when it is read. Its revision also
    /// stays the least that is accepted after a restart.
    pub fn last_good(mut self, path: impl Into<PathBuf>) -> Self {
        self.last_good = Some(path.into());
        self
    }

    /// Sets the interval between pulls, at most 24 h. Default: 60 s, spread by 10 % between processes.
    ///
    /// After a failed pull the pause is 1 s. It doubles with each further failure, up to the interval.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// The settings of the connections that fetch a bundle from an address. Default: roots and proxy of the system.
    pub fn connection(mut self, settings: ConnectionSettings) -> Self {
        self.source.set_connection(settings);
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

    /// Refuses every policy that is weakened, whatever a bundle states, and bundles signed with test keys (`test-only-…`).
    pub fn deny_danger(mut self) -> Self {
        self.denies_danger = true;
        self
    }

    /// The settings that are not sound.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = self.source.faults();
        if self.interval.is_zero() || self.interval > MAX_INTERVAL {
            faults.push(Fault::new("interval", "zero or longer than 24 h; set the time between two pulls"));
        }
        if self.denies_danger && self.bundles.has_test_keys() {
            faults.push(Fault::new("bundle_keys", "has a key of tests (test-only-…), and deny_danger forbids it"));
        }
        faults.extend(self.shadow.iter().flat_map(ShadowPolicy::faults));
        if !rt::has_runtime() {
            faults.push(Fault::new("runtime", "missing; build it inside a tokio runtime, which pulls the bundle"));
        }
        faults
    }
}

impl fmt::Debug for PolicyBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyBundle")
            .field("source", &self.source.shown())
            .field("fleet", &self.bundles.fleet())
            .field("last_good", &self.last_good)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}
