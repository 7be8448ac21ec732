//! How a layer asks, and what it does without an answer.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::verify::Verified;

use super::check::{Check, RevocationCheck, Verdict};
use crate::telemetry::{self, Samples};

/// How long a request waits for an answer about revocation.
const WAIT: Duration = Duration::from_secs(1);

/// What becomes of a request whose token cannot be asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenUnknown {
    /// 503: nobody passes whose token may have been revoked.
    #[default]
    Refuse,
    /// The request passes, and a warning is logged: an outage of the list is no outage of the service.
    Accept,
}

/// A revocation check with its posture; given to
/// [`AuthenticateLayer::revocation`](crate::authenticate::AuthenticateLayer::revocation).
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use countersign::revocation::{MemoryRevocations, Revocation, WhenUnknown};
///
/// let list = Arc::new(MemoryRevocations::new());
/// let revocation = Revocation::new(list).when_unknown(WhenUnknown::Accept).wait(Duration::from_millis(200));
/// # let _ = revocation;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Revocation {
    check: Arc<dyn RevocationCheck>,
    when_unknown: WhenUnknown,
    wait: Duration,
}

impl Revocation {
    /// Asks `check`; refuses what it cannot answer.
    pub fn new(check: Arc<impl RevocationCheck>) -> Self {
        Revocation { check, when_unknown: WhenUnknown::default(), wait: WAIT }
    }

    /// The posture. Default: [`WhenUnknown::Refuse`].
    pub fn when_unknown(mut self, posture: WhenUnknown) -> Self {
        self.when_unknown = posture;
        self
    }

    /// How long a request waits for the answer; then it counts as unknown. Default: 1 s.
    pub fn wait(mut self, longest: Duration) -> Self {
        self.wait = longest;
        self
    }

    /// Asks, and bounds the wait. A wait needs a tokio runtime.
    pub(crate) fn ask(&self, token: &Arc<Verified>) -> Check {
        match self.check.check(token) {
            Check::Asked(answer) => {
                let longest = self.wait;
                Check::Asked(Box::pin(async move {
                    tokio::time::timeout(longest, answer).await.unwrap_or(Verdict::Unknown)
                }))
            }
            known => known,
        }
    }

    /// What the posture makes of an answer.
    pub(crate) fn decide(&self, verdict: Verdict, samples: &Samples, elapsed: Duration) -> Outcome {
        match (verdict, self.when_unknown) {
            (Verdict::Valid, _) => Outcome::Pass,
            (Verdict::Revoked, _) => Outcome::Revoked,
            (Verdict::Unknown, WhenUnknown::Refuse) => {
                telemetry::revocation_unknown("refused", samples, elapsed);
                Outcome::Unavailable
            }
            (Verdict::Unknown, WhenUnknown::Accept) => {
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
