//! The settings of a revocation check: its timeout, and the decision if the status is unknown.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::Clock;
use countersign_core::error::Fault;
use countersign_core::verify::Verified;

use super::check::{RevocationCheck, RevocationQuery, RevocationStatus};
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
/// use countersign::revocation::{MemoryRevocations, Revocation, UnknownPolicy};
///
/// let list = Arc::new(MemoryRevocations::new());
/// let revocation = Revocation::new(list).unknown_policy(UnknownPolicy::FailOpen).timeout(Duration::from_millis(200));
/// # let _ = revocation;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Revocation {
    check: Arc<dyn RevocationCheck>,
    unknown_policy: UnknownPolicy,
    timeout: Duration,
}

impl Revocation {
    /// Uses `check` with the default settings.
    pub fn new(check: Arc<impl RevocationCheck>) -> Self {
        Revocation { check, unknown_policy: UnknownPolicy::default(), timeout: TIMEOUT }
    }

    /// Sets the decision if the status is unknown. Default: [`UnknownPolicy::FailClosed`].
    pub fn unknown_policy(mut self, policy: UnknownPolicy) -> Self {
        self.unknown_policy = policy;
        self
    }

    /// Sets how long a request waits for its status, which is unknown after that. Default: 1 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Returns whether a token of unknown status is accepted.
    pub(crate) fn fails_open(&self) -> bool {
        self.unknown_policy == UnknownPolicy::FailOpen
    }

    pub(crate) fn attach(&self, clock: &Arc<dyn Clock>) -> Vec<Fault> {
        self.check.attach(clock)
    }

    /// Queries the status of a token within the timeout. Waiting needs a tokio runtime.
    pub(crate) fn query(&self, token: &Arc<Verified>) -> RevocationQuery {
        self.within_timeout(self.check.check(token))
    }

    /// Queries the status again, of a token that was accepted before.
    pub(crate) fn query_again(&self, token: &Arc<Verified>) -> RevocationQuery {
        self.within_timeout(self.check.recheck(token))
    }

    fn within_timeout(&self, query: RevocationQuery) -> RevocationQuery {
        match query {
            RevocationQuery::Pending(status) => {
                let timeout = self.timeout;
                RevocationQuery::Pending(Box::pin(async move {
                    tokio::time::timeout(timeout, status).await.unwrap_or(RevocationStatus::Unknown)
                }))
            }
            known => known,
        }
    }

    /// Decides about a token with this status.
    pub(crate) fn decide(&self, status: RevocationStatus, samples: &Samples, elapsed: Duration) -> RevocationOutcome {
        match (status, self.unknown_policy) {
            (RevocationStatus::Valid, _) => RevocationOutcome::Accepted,
            (RevocationStatus::Revoked, _) => RevocationOutcome::Revoked,
            (RevocationStatus::Unknown, UnknownPolicy::FailClosed) => {
                telemetry::revocation_unknown("refused", samples, elapsed);
                RevocationOutcome::Unavailable
            }
            (RevocationStatus::Unknown, UnknownPolicy::FailOpen) => {
                telemetry::revocation_unknown("accepted", samples, elapsed);
                RevocationOutcome::Accepted
            }
        }
    }
}

/// The decision about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RevocationOutcome {
    Accepted,
    Revoked,
    Unavailable,
}

impl<C: RevocationCheck> From<Arc<C>> for Revocation {
    fn from(check: Arc<C>) -> Self {
        Revocation::new(check)
    }
}
