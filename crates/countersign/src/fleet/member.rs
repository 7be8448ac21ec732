//! This process as an instance of a service.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use countersign_core::clock::UnixTime;
use countersign_core::verify::Verifier;

use super::form::MAX_LISTED;
use super::observed::{self, Observed};
use super::report::{FleetReport, ReportedRevocations};
use crate::reload::{BundledPolicy, ShadowReport, WatchedPolicy};
use crate::revocation::RevocationList;

/// This process as an instance of a service, which reports what it has in force. Clones count their reports together.
///
/// [`FleetReporter`](super::FleetReporter) sends the reports, and [`route`](Self::route) serves them.
///
/// ```
/// use countersign::fleet::FleetMember;
/// use countersign::prelude::*;
///
/// let verifier = Verifier::new(oidc("https://id.example.com").audience("orders"))?;
/// let member = FleetMember::new("orders", &verifier).version("2.1.0").instance("orders-7f9c");
/// println!("{}", member.report().to_json());
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct FleetMember {
    service: String,
    instance: String,
    version: Option<String>,
    started_at: UnixTime,
    policy: ReportedPolicy,
    revocations: Option<Arc<Revocations>>,
    sequence: Arc<AtomicU64>,
}

/// The state of revocation data, when it is asked for.
type Revocations = dyn Fn() -> Option<ReportedRevocations> + Send + Sync;

/// The policy that a [`FleetMember`] reports: that of a verifier, of a policy file, or of bundles.
///
/// ```
/// use countersign::fleet::ReportedPolicy;
/// use countersign::prelude::*;
///
/// let verifier = Verifier::new(oidc("https://id.example.com").audience("orders"))?;
/// let policy = ReportedPolicy::from(&verifier);
/// # let _ = policy;
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ReportedPolicy(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Plain(Verifier),
    Watched(WatchedPolicy),
    Bundled(BundledPolicy),
}

impl From<&Verifier> for ReportedPolicy {
    fn from(verifier: &Verifier) -> Self {
        ReportedPolicy(Kind::Plain(verifier.clone()))
    }
}

impl From<&WatchedPolicy> for ReportedPolicy {
    fn from(policy: &WatchedPolicy) -> Self {
        ReportedPolicy(Kind::Watched(policy.clone()))
    }
}

impl From<&BundledPolicy> for ReportedPolicy {
    fn from(policy: &BundledPolicy) -> Self {
        ReportedPolicy(Kind::Bundled(policy.clone()))
    }
}

impl ReportedPolicy {
    fn verifier(&self) -> &Verifier {
        match &self.0 {
            Kind::Plain(verifier) => verifier,
            Kind::Watched(policy) => policy.verifier(),
            Kind::Bundled(policy) => policy.verifier(),
        }
    }

    fn shadow(&self) -> Option<ShadowReport> {
        match &self.0 {
            Kind::Plain(_) => None,
            Kind::Watched(policy) => policy.shadow(),
            Kind::Bundled(policy) => policy.shadow(),
        }
    }

    /// A policy as data names its own fields; a verifier's issuers say what is weakened.
    fn weakenings(&self) -> Vec<String> {
        match &self.0 {
            Kind::Plain(verifier) => verifier.weakenings(),
            Kind::Watched(policy) => policy.policy().weakenings(),
            Kind::Bundled(policy) => policy.policy().weakenings(),
        }
    }
}

impl FleetMember {
    /// An instance of this service, such as `orders`, with the policy of a
    /// [`Verifier`], a [`WatchedPolicy`] or a [`BundledPolicy`]. The instance gets a random ID.
    ///
    /// A plane takes reports about a service only from the client of the same name.
    pub fn new(service: impl Into<String>, policy: impl Into<ReportedPolicy>) -> Self {
        let policy = policy.into();
        FleetMember {
            service: service.into(),
            instance: uuid::Uuid::now_v7().to_string(),
            version: None,
            started_at: policy.verifier().clock().now(),
            policy,
            revocations: None,
            sequence: Arc::default(),
        }
    }

    /// The version of the service.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// The name of this instance, such as that of its pod. Default: a random ID of each start.
    pub fn instance(mut self, instance: impl Into<String>) -> Self {
        self.instance = instance.into();
        self
    }

    /// Reports the state of the revocation data that this function returns, in place of what was set before. It is called for each
    /// report, and must not wait.
    ///
    /// ```
    /// use std::time::Duration;
    /// use countersign::fleet::{FleetMember, ReportedRevocations};
    /// use countersign::prelude::*;
    ///
    /// let verifier = Verifier::new(oidc("https://id.example.com").audience("orders"))?;
    /// let member = FleetMember::new("orders", &verifier)
    ///     .revocations(|| Some(ReportedRevocations::new(Duration::from_secs(5), Duration::from_secs(60))));
    /// assert_eq!(member.report().revocations.map(|state| state.age_seconds), Some(5));
    /// # Ok::<(), countersign::error::ConfigError>(())
    /// ```
    pub fn revocations(mut self, state: impl Fn() -> Option<ReportedRevocations> + Send + Sync + 'static) -> Self {
        self.revocations = Some(Arc::new(state));
        self
    }

    /// Reports the age of this list of revocations, if a feed keeps it up to date. It is too old while statuses are unknown.
    ///
    /// ```
    /// use std::{sync::Arc, time::Duration};
    /// use countersign::fleet::FleetMember;
    /// use countersign::prelude::*;
    /// use countersign::revocation::RevocationList;
    ///
    /// let verifier = Verifier::new(oidc("https://id.example.com").audience("orders"))?;
    /// let list = Arc::new(RevocationList::new());
    /// let feed = list.feed(Duration::from_secs(10));
    /// let member = FleetMember::new("orders", &verifier).revocation_list(&list);
    /// assert_eq!(member.report().revocations.map(|state| state.is_too_old), Some(true));
    /// feed.confirm();
    /// assert_eq!(member.report().revocations.map(|state| state.is_too_old), Some(false));
    /// # Ok::<(), countersign::error::ConfigError>(())
    /// ```
    pub fn revocation_list(self, list: &Arc<RevocationList>) -> Self {
        let (list, clock) = (Arc::clone(list), Arc::clone(self.policy.verifier().clock()));
        let started_at = clock.elapsed();
        self.revocations(move || {
            let stats = list.stats();
            // Before the first confirmation, the age is that of the instance.
            let age = stats.age.or_else(|| (!stats.is_complete).then(|| clock.elapsed().saturating_sub(started_at)))?;
            Some(ReportedRevocations { age_seconds: age.as_secs(), is_too_old: !stats.is_complete })
        })
    }

    /// Reports the age of these status lists too: that of the list in use that was fetched longest ago. They are too old while
    /// tokens are of unknown status because their list could not be fetched again in time.
    ///
    /// ```
    /// use countersign::fleet::FleetMember;
    /// use countersign::prelude::*;
    ///
    /// fn member(layer: &AuthenticateLayer, member: FleetMember) -> FleetMember {
    ///     match layer.status_lists() {
    ///         Some(lists) => member.status_lists(lists),
    ///         None => member,
    ///     }
    /// }
    /// # let _ = member;
    /// ```
    #[cfg(feature = "status-list")]
    pub fn status_lists(self, lists: &Arc<crate::status::StatusLists>) -> Self {
        let (lists, others) = (Arc::clone(lists), self.revocations.clone());
        self.revocations(move || {
            let states = lists.report().into_iter().filter_map(|state| {
                let age_seconds = state.age?.as_secs();
                Some(ReportedRevocations { age_seconds, is_too_old: state.too_old > 0 })
            });
            states.chain(others.as_ref().and_then(|others| others())).reduce(|one, other| ReportedRevocations {
                age_seconds: one.age_seconds.max(other.age_seconds),
                is_too_old: one.is_too_old || other.is_too_old,
            })
        })
    }

    /// The report of this moment, without its policy.
    #[must_use]
    pub fn report(&self) -> FleetReport {
        let verifier = self.policy.verifier();
        let bundle = match &self.policy.0 {
            Kind::Bundled(policy) => Some(policy.report()),
            Kind::Plain(_) | Kind::Watched(_) => None,
        };
        let refusal = observed::refusal(verifier);
        let mut weakenings = self.policy.weakenings();
        weakenings.truncate(MAX_LISTED);
        let mut report = FleetReport {
            service: self.service.clone(),
            instance: self.instance.clone(),
            version: self.version.clone(),
            library: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at.as_secs(),
            reported_at: verifier.clock().now().as_secs(),
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed) + 1,
            fingerprint: verifier.fingerprint().to_string(),
            since: verifier.policy_since().as_secs(),
            is_latest: refusal.is_none(),
            bundle,
            refusal,
            weakenings,
            issuers: observed::issuers(verifier, true),
            revocations: self.revocations.as_ref().and_then(|state| state()),
            shadow: self.policy.shadow(),
            policy: None,
        };
        report.make_visible();
        report
    }

    /// The report of this moment with the rules in force, field by field: a few kilobytes for each issuer.
    #[must_use]
    pub fn report_with_policy(&self) -> FleetReport {
        FleetReport { policy: Some(self.policy.verifier().canonical_policy()), ..self.report() }
    }

    pub(super) fn observed(&self) -> Observed {
        let verifier = self.policy.verifier();
        Observed {
            fingerprint: verifier.fingerprint(),
            revision: match &self.policy.0 {
                Kind::Bundled(policy) => Some(policy.revision()),
                Kind::Plain(_) | Kind::Watched(_) => None,
            },
            refusal: observed::refusal(verifier),
            issuers: observed::issuers(verifier, false),
            is_too_old: self.revocations.as_ref().and_then(|state| state()).is_some_and(|state| state.is_too_old),
        }
    }

    pub(super) fn service(&self) -> &str {
        &self.service
    }
}

impl fmt::Debug for FleetMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FleetMember")
            .field("service", &self.service)
            .field("instance", &self.instance)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
