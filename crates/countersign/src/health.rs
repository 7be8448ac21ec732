//! The health of a verifier's key sources, for readiness endpoints.

#[cfg(not(feature = "axum"))]
mod no_route;
mod readiness;

use std::sync::Arc;
use std::time::Duration;

use countersign_core::error::ConfigError;
#[cfg(feature = "txn")]
use countersign_core::integration::issuer_of_transactions;
use countersign_core::key::{KeyHealth, KeySource, KeyStats, RefreshOutcome, RefreshReason};
use countersign_core::policy::TrustedIssuer;
#[cfg(feature = "txn")]
use countersign_core::verify::TransactionVerifier;
use countersign_core::verify::Verifier;
use tokio::task::JoinSet;

use crate::revocation::RevocationList;
#[cfg(feature = "status-list")]
use crate::status::StatusLists;

/// The longest pause between two attempts while waiting for keys.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Reports whether a verifier has the keys that it needs. Cheap to clone.
///
/// ```
/// use countersign::health::Health;
/// use countersign::prelude::*;
///
/// let verifier = Verifier::new(oidc("https://id.example.com").audience("orders"))?;
/// let health = Health::new(&verifier);
/// assert!(!health.is_ready()); // no request has needed keys yet: see `ready_within`
/// for (issuer, state) in health.report() {
///     println!("{issuer}: {state:?}");
/// }
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Health {
    verifier: Verifier,
    revocations: Option<Arc<RevocationList>>,
    #[cfg(feature = "status-list")]
    status_lists: Option<Arc<StatusLists>>,
    #[cfg(feature = "txn")]
    transactions: Option<TransactionVerifier>,
}

/// The error of a deadline that passed before every issuer had keys.
///
/// ```
/// use std::time::Duration;
/// use countersign::health::Health;
///
/// # async fn example(health: Health) {
/// if let Err(not_ready) = health.ready_within(Duration::from_secs(10)).await {
///     for (issuer, reason) in &not_ready.waiting_for {
///         eprintln!("{issuer}: {reason}");
///     }
/// }
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct NotReady {
    /// The issuers without keys, each with the reason.
    pub waiting_for: Vec<(String, String)>,
}

impl Health {
    /// The health of this verifier's key sources.
    #[must_use]
    pub fn new(verifier: &Verifier) -> Self {
        Health {
            verifier: verifier.clone(),
            revocations: None,
            #[cfg(feature = "status-list")]
            status_lists: None,
            #[cfg(feature = "txn")]
            transactions: None,
        }
    }

    /// Adds the keys of transaction tokens: without them, requests that have such a token get 503. Reports name their service by
    /// its trust domain.
    ///
    /// ```
    /// use countersign::health::Health;
    /// use countersign::verify::{TransactionVerifier, Verifier};
    ///
    /// fn health(verifier: &Verifier, transactions: &TransactionVerifier) -> Health {
    ///     Health::new(verifier).transactions(transactions)
    /// }
    /// # let _ = health;
    /// ```
    #[cfg(feature = "txn")]
    #[must_use]
    pub fn transactions(self, transactions: &TransactionVerifier) -> Self {
        Health { transactions: Some(transactions.clone()), ..self }
    }

    /// Adds a list of revocations to the response of the readiness endpoint. It does not count for readiness: which requests are
    /// answered while the list is incomplete is up to the [`UnknownPolicy`](crate::revocation::UnknownPolicy).
    ///
    /// ```
    /// use std::sync::Arc;
    /// use countersign::health::Health;
    /// use countersign::revocation::RevocationList;
    /// use countersign::verify::Verifier;
    ///
    /// fn health(verifier: &Verifier, list: &Arc<RevocationList>) -> Health {
    ///     Health::new(verifier).revocations(list)
    /// }
    /// # let _ = health;
    /// ```
    #[must_use]
    pub fn revocations(self, list: &Arc<RevocationList>) -> Self {
        Health { revocations: Some(Arc::clone(list)), ..self }
    }

    /// Adds status lists to the response of the readiness endpoint. They do not count for readiness, as revocations.
    ///
    /// ```
    /// use countersign::health::Health;
    /// use countersign::prelude::*;
    ///
    /// fn health(verifier: &Verifier, layer: &AuthenticateLayer) -> Health {
    ///     let health = Health::new(verifier);
    ///     match layer.status_lists() {
    ///         Some(lists) => health.status_lists(lists),
    ///         None => health,
    ///     }
    /// }
    /// # let _ = health;
    /// ```
    #[cfg(feature = "status-list")]
    #[must_use]
    pub fn status_lists(self, lists: &Arc<StatusLists>) -> Self {
        Health { status_lists: Some(Arc::clone(lists)), ..self }
    }

    /// The key sources, each with the name in reports.
    fn sources(&self) -> impl Iterator<Item = (String, Arc<dyn KeySource>)> + '_ {
        let named = |name: &str, issuer: &TrustedIssuer| (name.to_owned(), Arc::clone(issuer.key_source()));
        let issuers = self.verifier.issuers().map(move |issuer| named(issuer.issuer(), &issuer));
        #[cfg(feature = "txn")]
        let issuers = issuers.chain(self.transactions.iter().filter_map(move |transactions| {
            Some(named(transactions.trust_domain(), &*issuer_of_transactions(transactions)?))
        }));
        issuers
    }

    /// Returns whether tokens of every issuer can be verified, as a readiness endpoint reports it. Stale keys count as ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.sources().all(|(_, source)| source.describe().health.is_ready())
    }

    /// The issuers with the health of their keys, sorted by name.
    #[must_use]
    pub fn report(&self) -> Vec<(String, KeyHealth)> {
        let mut report: Vec<(String, KeyHealth)> =
            self.sources().map(|(name, source)| (name, source.describe().health)).collect();
        report.sort_by(|one, other| one.0.cmp(&other.0));
        report
    }

    /// The error of the last policy that was refused, if the policy in force is therefore an older one.
    ///
    /// ```
    /// # fn example(health: countersign::health::Health) {
    /// if let Some(error) = health.policy_error() {
    ///     eprintln!("an older policy is in force: {error}");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn policy_error(&self) -> Option<Arc<ConfigError>> {
        self.verifier.policy_error()
    }

    /// The issuers with the counts of their key sources, sorted by name: for counters, and for a gauge of the keys' age.
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
            self.sources().map(|(name, source)| (name, source.describe().stats)).collect();
        stats.sort_by(|one, other| one.0.cmp(&other.0));
        stats
    }

    /// Fetches the keys of every issuer now, instead of at the first request, with retries until `deadline` has passed.
    ///
    /// A service that need not fail fast can start whatever the result: keys are still fetched in the background, and until
    /// they are available the response to a token is 503.
    ///
    /// # Errors
    /// `NotReady` names the issuers whose keys could not be fetched.
    pub async fn ready_within(&self, deadline: Duration) -> Result<(), NotReady> {
        let every_source = async {
            while !self.is_ready() {
                let pause = self.refresh_once().await;
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

    /// Refreshes every source without keys, all at once, each within its policy's `max_wait`. Returns the pause before a retry.
    async fn refresh_once(&self) -> Duration {
        let mut refreshes = JoinSet::new();
        for (_, source) in self.sources() {
            if !source.describe().health.is_ready() {
                refreshes.spawn(async move { source.refresh(RefreshReason::NoUsableKeys).await });
            }
        }
        let mut pause = LONGEST_PAUSE;
        while let Some(outcome) = refreshes.join_next().await {
            if let Ok(RefreshOutcome::Unavailable { retry_after } | RefreshOutcome::InProgress { retry_after }) =
                outcome
            {
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

/// As `Display`, so that `fn main() -> Result<(), NotReady>` prints a readable line.
impl std::fmt::Debug for NotReady {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for NotReady {}
