//! The state of a key source, for readiness endpoints, metrics and logs.

use std::borrow::Cow;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::OnceLock;
use std::time::Duration;

use crate::clock::UnixTime;

/// The health of a key source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyHealth {
    /// It has keys, and its last fetch succeeded.
    Ready,
    /// It has usable keys, but cannot fetch newer ones.
    Degraded {
        /// The time of the first failure since the last success.
        since: UnixTime,
        /// The last failure, without text from the remote side.
        reason: Cow<'static, str>,
    },
    /// It has no usable keys: tokens of its issuer cannot be verified.
    NotReady {
        /// The last failure, or that nothing was tried yet.
        reason: Cow<'static, str>,
    },
}

impl KeyHealth {
    /// Returns whether tokens can be verified.
    ///
    /// ```
    /// use countersign_core::key::KeyHealth;
    ///
    /// assert!(KeyHealth::Ready.is_ready());
    /// assert!(!KeyHealth::NotReady { reason: "connection refused".into() }.is_ready());
    /// ```
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        !matches!(self, KeyHealth::NotReady { .. })
    }
}

/// Counts and gauges of a key source since it was made.
///
/// ```
/// use countersign_core::key::KeyStats;
///
/// let mut stats = KeyStats::default();
/// stats.fetched += 1;
/// assert_eq!((stats.fetched, stats.failed), (1, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyStats {
    /// Fetches that returned a usable set, changed or not.
    pub fetched: u64,
    /// Fetches that failed.
    pub failed: u64,
    /// Fetches, successful or not, that a missing key or set caused.
    pub forced: u64,
    /// Refresh requests suppressed by the cool-down or by retry back-off.
    pub suppressed: u64,
    /// The time since the current keys were fetched.
    pub age: Option<Duration>,
    /// True if the current keys are used past their lifetime because newer ones cannot be fetched.
    pub is_stale: bool,
}

/// A digest of a key source's settings: its connections and its times.
///
/// Two digests of one process are equal if the settings are. The key of the digest is random and never leaves the process, so
/// that nothing can be learned from it about secret settings.
///
/// ```
/// use countersign_core::key::SettingsDigest;
///
/// assert_eq!(SettingsDigest::of("ca.pem"), SettingsDigest::of("ca.pem"));
/// assert_ne!(SettingsDigest::of("ca.pem"), SettingsDigest::of("other.pem"));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct SettingsDigest(u64);

impl SettingsDigest {
    /// The digest of these settings.
    #[must_use]
    pub fn of(settings: &(impl Hash + ?Sized)) -> Self {
        static KEY: OnceLock<RandomState> = OnceLock::new();
        SettingsDigest(KEY.get_or_init(RandomState::new).hash_one(settings))
    }
}

/// Shows nothing: the settings may be secret.
impl fmt::Debug for SettingsDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SettingsDigest(..)")
    }
}

/// The description of a key source: health, counts, origin, settings and weakenings.
///
/// ```
/// use countersign_core::key::{KeyHealth, KeySourceInfo};
///
/// let info = KeySourceInfo::new(KeyHealth::Ready)
///     .origin("file /etc/orders/issuer-keys.json")
///     .weakening("keys may come over plain http");
/// assert!(info.health.is_ready());
/// assert_eq!(info.weakenings, ["keys may come over plain http"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct KeySourceInfo {
    /// State of the keys and of their fetches. Never used to decide on a token.
    pub health: KeyHealth,
    /// Its counts; all zero if nothing is fetched.
    pub stats: KeyStats,
    /// The location of its keys, unique to that location; `None` if the source itself contains the keys.
    pub origin: Option<Cow<'static, str>>,
    /// Its settings. An issuer that is resolved again with the same rules and origin but other settings replaces its keys.
    pub settings: SettingsDigest,
    /// The weakened checks: logged when a verifier is built, and refused by `deny_danger`.
    pub weakenings: Vec<&'static str>,
}

impl KeySourceInfo {
    /// A source of this health without counts, origin, settings or weakenings.
    pub fn new(health: KeyHealth) -> Self {
        KeySourceInfo {
            health,
            stats: KeyStats::default(),
            origin: None,
            settings: SettingsDigest::default(),
            weakenings: Vec::new(),
        }
    }

    /// Replaces the counts.
    pub fn stats(mut self, stats: KeyStats) -> Self {
        self.stats = stats;
        self
    }

    /// Replaces the origin.
    pub fn origin(mut self, origin: impl Into<Cow<'static, str>>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Replaces the digest of the settings.
    pub fn settings(mut self, settings: SettingsDigest) -> Self {
        self.settings = settings;
        self
    }

    /// Adds a weakening.
    pub fn weakening(mut self, weakening: &'static str) -> Self {
        self.weakenings.push(weakening);
        self
    }
}
