//! How a layer asks, and what it does without an answer.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::verify::Verified;

use super::check::{RevocationCheck, RevocationQuery, RevocationStatus};
use crate::telemetry::{self, Samples};

/// How long a request waits for an answer about revocation.
const WAIT: Duration = Duration::from_secs(1);

/// What becomes of a request whose token cannot be asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownPolicy {
    /// 503: nobody passes whose token may have been revoked.
    #[default]
    FailClosed,
    /// The request passes, and a warning is logged: an outage of the list is no outage of the service.
    FailOpen,
}

/// A revocation check with its posture; given to
/// [`AuthenticateLayer::revocation`](crate::authenticate::AuthenticateLayer::revocation).
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
    wait: Duration,
}

impl Revocation {
    /// Asks `check`; refuses what it cannot answer.
    pub fn new(check: Arc<impl RevocationCheck>) -> Self {
        Revocation { check, unknown_policy: UnknownPolicy::default(), wait: WAIT }
    }

    /// The posture. Default: [`UnknownPolicy::FailClosed`].
    pub fn unknown_policy(mut self, posture: UnknownPolicy) -> Self {
        self.unknown_policy = posture;
        self
    }

    /// How long a request waits for the answer; then it counts as unknown. Default: 1 s.
    pub fn timeout(mut self, longest: Duration) -> Self {
        self.wait = longest;
        self
    }

    /// Asks, and bounds the wait. A wait needs a tokio runtime.
    pub(crate) fn ask(&self, token: &Arc<Verified>) -> RevocationQuery {
        match self.check.check(token) {
            RevocationQuery::Pending(answer) => {
                let longest = self.wait;
                RevocationQuery::Pending(Box::pin(async move {
                    tokio::time::timeout(longest, answer).await.unwrap_or(RevocationStatus::Unknown)
                }))
            }
            known => known,
        }
    }

    /// What the posture makes of an answer.
    pub(crate) fn decide(&self, verdict: RevocationStatus, samples: &Samples, elapsed: Duration) -> Outcome {
        match (verdict, self.unknown_policy) {
            (RevocationStatus::Valid, _) => Outcome::Pass,
            (RevocationStatus::Revoked, _) => Outcome::Revoked,
            (RevocationStatus::Unknown, UnknownPolicy::FailClosed) => {
                telemetry::revocation_unknown("refused", samples, elapsed);
                Outcome::Unavailable
            }
            (RevocationStatus::Unknown, UnknownPolicy::FailOpen) => {
                telemetry::revocation_unknown("accepted", samples, elapsed);
                Outcome::Pass
            }
        }
    }
}

/// What becomes of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Pass,
    Revoked,
    Unavailable,
}

impl<C: RevocationCheck> From<Arc<C>> for Revocation {
    fn from(check: Arc<C>) -> Self {
        Revocation::new(check)
    }
}
