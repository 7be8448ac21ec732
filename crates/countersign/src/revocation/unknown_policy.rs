//! The settings of a revocation check: its timeout, and the decision if the status is unknown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use countersign_core::clock::Clock;
use countersign_core::error::Fault;
use countersign_core::verify::Verified;

use super::changes::RevocationChanges;
use super::check::{RevocationCheck, RevocationFuture, RevocationQuery, RevocationStatus};
use crate::telemetry::{self, Samples};

/// The longest wait of a request for its revocation status.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Decision about a token whose revocation status is unknown.
///
/// ```
/// use countersign::revocation::UnknownPolicy;
///
/// assert_eq!(UnknownPolicy::default(), UnknownPolicy::FailClosed);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnknownPolicy {
    /// Refuses the request with 503: no token is accepted that may have been revoked.
    #[default]
    FailClosed,
    /// Accepts the request and logs a warning: the service stays available if the revocation list is not.
    ///
    /// A layer whose verifier denies dangers does not build with it.
    FailOpen,
}

/// A revocation check with its settings, for
/// [`AuthenticateLayerBuilder::revocation`](crate::authenticate::AuthenticateLayerBuilder::revocation).
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use countersign::revocation::{RevocationList, Revocation, UnknownPolicy};
///
/// let list = Arc::new(RevocationList::new());
/// let revocation = Revocation::new(list).unknown_policy(UnknownPolicy::FailOpen).timeout(Duration::from_millis(200));
/// # let _ = revocation;
/// ```
///
/// Several checks together: a token is revoked if any of them says so, and of unknown status if any does not know.
///
/// ```
/// use std::sync::Arc;
/// use countersign::revocation::{Revocation, RevocationList, SingleUse, UnknownPolicy};
///
/// let list = Arc::new(RevocationList::new());
/// let revocation = Revocation::new(list)
///     .and(Arc::new(SingleUse::new()))
///     .unknown_policy_of("https://partner.example.com", UnknownPolicy::FailOpen);
/// # let _ = revocation;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Revocation {
    check: Arc<dyn RevocationCheck>,
    /// The checks after the first.
    others: Vec<Arc<dyn RevocationCheck>>,
    unknown_policy: UnknownPolicy,
    /// The policies of single issuers.
    policies: BTreeMap<Box<str>, UnknownPolicy>,
    timeout: Duration,
}

impl Revocation {
    /// Uses `check` with the default settings.
    pub fn new(check: Arc<impl RevocationCheck>) -> Self {
        Revocation {
            check,
            others: Vec::new(),
            unknown_policy: UnknownPolicy::default(),
            policies: BTreeMap::new(),
            timeout: TIMEOUT,
        }
    }

    /// Adds a check. They are asked in this order up to the first that knows the token to be revoked, so a
    /// [`SingleUse`](super::SingleUse) belongs at the end.
    pub fn and(mut self, check: Arc<impl RevocationCheck>) -> Self {
        self.others.push(check);
        self
    }

    /// Asks `check` before those of `others`, whose settings stay.
    pub(crate) fn with_first(check: Arc<impl RevocationCheck>, others: Option<Self>) -> Self {
        match others {
            None => Revocation::new(check),
            Some(mut others) => {
                let second = std::mem::replace(&mut others.check, check);
                others.others.insert(0, second);
                others
            }
        }
    }

    /// Returns whether one of the checks is about status lists.
    pub(crate) fn checks_status_lists(&self) -> bool {
        self.checks().any(|check| check.checks_status_lists())
    }

    /// Sets the decision if the status is unknown. Default: [`UnknownPolicy::FailClosed`].
    pub fn unknown_policy(mut self, policy: UnknownPolicy) -> Self {
        self.unknown_policy = policy;
        self
    }

    /// Sets the decision for tokens of `issuer` if their status is unknown, in place of that for all.
    pub fn unknown_policy_of(mut self, issuer: impl Into<String>, policy: UnknownPolicy) -> Self {
        self.policies.insert(issuer.into().into_boxed_str(), policy);
        self
    }

    /// Sets how long a request waits for its status, which is unknown after that. Default: 1 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Returns whether a token of unknown status is accepted, of any issuer.
    pub(crate) fn fails_open(&self) -> bool {
        self.policies.values().chain([&self.unknown_policy]).any(|policy| *policy == UnknownPolicy::FailOpen)
    }

    pub(crate) fn attach(&self, clock: &Arc<dyn Clock>) -> Vec<Fault> {
        self.checks().flat_map(|check| check.attach(clock)).collect()
    }

    /// Queries the status of a token within the timeout. Waiting needs a tokio runtime.
    #[inline]
    pub(crate) fn query(&self, token: &Arc<Verified>) -> RevocationQuery {
        // Most requests: a single check that knows.
        if self.others.is_empty() {
            return match self.check.check(token) {
                RevocationQuery::Known(status) => RevocationQuery::Known(status),
                RevocationQuery::Pending(status) => Self::wait(self.timeout, RevocationStatus::Valid, vec![status]),
            };
        }
        Self::ask(self.timeout, self.checks(), |check| check.check(token))
    }

    /// Queries the status again, of a token that was accepted before.
    pub(crate) fn query_again(&self, token: &Arc<Verified>) -> RevocationQuery {
        Self::ask(self.timeout, self.checks(), |check| check.recheck(token))
    }

    /// Queries the status again, of those checks that send changes.
    pub(crate) fn query_changed(&self, token: &Arc<Verified>) -> RevocationQuery {
        Self::ask(self.timeout, self.checks().filter(|check| check.changes().is_some()), |check| check.recheck(token))
    }

    /// The news of the checks that have some.
    pub(crate) fn changes(&self) -> Vec<RevocationChanges> {
        self.checks().filter_map(|check| check.changes()).collect()
    }

    fn checks(&self) -> impl Iterator<Item = &Arc<dyn RevocationCheck>> {
        std::iter::once(&self.check).chain(&self.others)
    }

    fn ask<'c>(
        timeout: Duration,
        checks: impl Iterator<Item = &'c Arc<dyn RevocationCheck>>,
        ask: impl Fn(&dyn RevocationCheck) -> RevocationQuery,
    ) -> RevocationQuery {
        let mut status = RevocationStatus::Valid;
        let mut pending = Vec::new();
        for check in checks {
            match ask(&**check) {
                RevocationQuery::Known(RevocationStatus::Revoked) => {
                    return RevocationQuery::Known(RevocationStatus::Revoked);
                }
                RevocationQuery::Known(known) => status = status.worst(known),
                RevocationQuery::Pending(future) => pending.push(future),
            }
        }
        if pending.is_empty() { RevocationQuery::Known(status) } else { Self::wait(timeout, status, pending) }
    }

    /// Waits for the checks that do not know yet; `status` is that by the others.
    fn wait(timeout: Duration, mut status: RevocationStatus, mut pending: Vec<RevocationFuture>) -> RevocationQuery {
        let all = std::future::poll_fn(move |context| {
            pending.retain_mut(|future| match future.as_mut().poll(context) {
                Poll::Ready(answer) => {
                    status = status.worst(answer);
                    false
                }
                Poll::Pending => true,
            });
            let is_over = pending.is_empty() || status == RevocationStatus::Revoked;
            if is_over { Poll::Ready(status) } else { Poll::Pending }
        });
        RevocationQuery::Pending(Box::pin(async move {
            tokio::time::timeout(timeout, all).await.unwrap_or(RevocationStatus::Unknown)
        }))
    }

    /// Decides about a token with this status.
    pub(crate) fn decide(
        &self,
        status: RevocationStatus,
        token: &Verified,
        samples: &Samples,
        clock: &dyn Clock,
    ) -> RevocationOutcome {
        let policy = || *self.policies.get(token.issuer()).unwrap_or(&self.unknown_policy);
        match status {
            RevocationStatus::Valid => RevocationOutcome::Accepted,
            RevocationStatus::Revoked => RevocationOutcome::Revoked,
            RevocationStatus::Suspended => RevocationOutcome::Suspended,
            RevocationStatus::Unknown => match policy() {
                UnknownPolicy::FailClosed => {
                    telemetry::revocation_unknown("refused", samples, clock.elapsed());
                    RevocationOutcome::Unavailable
                }
                UnknownPolicy::FailOpen => {
                    telemetry::revocation_unknown("accepted", samples, clock.elapsed());
                    RevocationOutcome::Accepted
                }
            },
        }
    }
}

/// The decision about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RevocationOutcome {
    Accepted,
    Revoked,
    Suspended,
    Unavailable,
}

impl<C: RevocationCheck> From<Arc<C>> for Revocation {
    fn from(check: Arc<C>) -> Self {
        Revocation::new(check)
    }
}
