//! How the key sources of a verifier fare, for a readiness endpoint.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::key::{KeyHealth, KeyStats, RefreshOutcome, RefreshReason};
use countersign_core::verify::Verifier;
use tokio::task::JoinSet;

/// The longest pause between two looks while waiting to be ready.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Answers whether a verifier has the keys that it needs. Cheap to clone.
///
/// ```
/// use countersign::health::Health;
/// use countersign::prelude::*;
///
/// let verifier = Verifier::new(oidc("https://id.example.com").audience("orders"))?;
/// let health = Health::new(&verifier);
/// assert!(!health.is_ready()); // no request has asked for keys yet: see `ready_within`
/// for (issuer, state) in health.report() {
///     println!("{issuer}: {state:?}");
/// }
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Health(Verifier);

/// The deadline passed and an issuer still has no keys.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct NotReady {
    /// Each issuer without keys, and why.
    pub waiting_for: Vec<(String, String)>,
}

impl Health {
    /// The health of this verifier's key sources.
    #[must_use]
    pub fn new(verifier: &Verifier) -> Self {
        Health(verifier.clone())
    }

    /// Whether tokens of every issuer can be judged: what a readiness endpoint answers. Stale keys count as ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.issuers().all(|issuer| issuer.key_source().describe().health.is_ready())
    }

    /// Each issuer with the state of its keys, by name.
    #[must_use]
    pub fn report(&self) -> Vec<(String, KeyHealth)> {
        let mut report: Vec<(String, KeyHealth)> = self
            .0
            .issuers()
            .map(|issuer| (issuer.issuer().to_owned(), issuer.key_source().describe().health))
            .collect();
        report.sort_by(|one, other| one.0.cmp(&other.0));
        report
    }

    /// Each issuer with what its key source has done, by name: for counters, and for a gauge of the keys' age.
    ///
    /// ```
    /// # fn example(health: countersign::health::Health) {
    /// for (issuer, stats) in health.stats() {
    ///     println!("{issuer}: {} fetched, {} failed, {:?} old", stats.fetched, stats.failed, stats.age);
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn stats(&self) -> Vec<(String, KeyStats)> {
        let mut stats: Vec<(String, KeyStats)> =
            self.0.issuers().map(|issuer| (issuer.issuer().to_owned(), issuer.key_source().describe().stats)).collect();
        stats.sort_by(|one, other| one.0.cmp(&other.0));
        stats
    }

    /// Fetches the keys of every issuer now instead of at the first request, trying again until `deadline` has passed.
    ///
    /// A service that need not fail fast can serve whatever this answers: keys keep being fetched in the background, and
    /// until they are there its answer to a token is 503.
    ///
    /// # Errors
    /// `NotReady` names the issuers whose keys were not to be had.
    pub async fn ready_within(&self, deadline: Duration) -> Result<(), NotReady> {
        let every_source = async {
            while !self.is_ready() {
                let pause = self.look_once().await;
                if !self.is_ready() {
                    tokio::time::sleep(pause).await;
                }
            }
        };
        match tokio::time::timeout(deadline, every_source).await {
            Ok(()) => Ok(()),
            Err(_) => Err(NotReady { waiting_for: self.waiting_for() }),
        }
    }

    /// Has every source without keys look, all at once, each within its policy's `wait`. Answers when to try again.
    async fn look_once(&self) -> Duration {
        let mut looks = JoinSet::new();
        for source in self.0.issuers().map(|issuer| Arc::clone(issuer.key_source())) {
            if !source.describe().health.is_ready() {
                looks.spawn(async move { source.refresh(RefreshReason::NoUsableKeys).await });
            }
        }
        let mut pause = LONGEST_PAUSE;
        while let Some(looked) = looks.join_next().await {
            if let Ok(RefreshOutcome::Unavailable { retry_after }) = looked {
                pause = pause.min(retry_after);
            }
        }
        pause
    }

    fn waiting_for(&self) -> Vec<(String, String)> {
        let not_ready = |(issuer, health)| match health {
            KeyHealth::NotReady { reason } => Some((issuer, reason.into_owned())),
            _ => None,
        };
        self.report().into_iter().filter_map(not_ready).collect()
    }
}

impl std::fmt::Display for NotReady {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no keys of")?;
        self.waiting_for.iter().try_for_each(|(issuer, reason)| write!(f, " {issuer} ({reason})"))
    }
}

impl std::error::Error for NotReady {}
