//! The context that a token source is attached to.

use std::sync::Arc;

use countersign_core::clock::Clock;
use countersign_core::error::Fault;

use crate::outbound::error::REDIRECTS_PROBLEM;

/// The context of a token source: what it is bound to passes it on when it is built.
///
/// ```
/// use std::sync::Arc;
/// use countersign::clock::SystemClock;
/// use countersign::outbound::{FileToken, OutboundContext, TokenSource};
///
/// let context = OutboundContext::new(Arc::new(SystemClock));
/// assert!(FileToken::new("/var/run/secrets/tokens/billing").attach(&context).is_empty()); // no faults
/// ```
#[derive(Clone, Debug)]
pub struct OutboundContext {
    clock: Arc<dyn Clock>,
    denies_danger: bool,
    /// The client for the calls may follow redirects, and take a proof along.
    may_follow_redirects: bool,
}

impl OutboundContext {
    /// A context with this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        OutboundContext { clock, denies_danger: false, may_follow_redirects: false }
    }

    /// The same context, in which sources report weakened settings as faults.
    #[must_use]
    pub fn deny_danger(self) -> Self {
        OutboundContext { denies_danger: true, ..self }
    }

    /// The same context, for calls by a client that may follow redirects.
    pub(in crate::outbound) fn for_client(self, may_follow_redirects: bool) -> Self {
        OutboundContext { may_follow_redirects, ..self }
    }

    /// The fault of a source of bound tokens, if their proofs may be taken along by a redirect.
    pub(super) fn redirects_fault(&self) -> Option<Fault> {
        self.may_follow_redirects.then(|| Fault::new("dpop", REDIRECTS_PROBLEM))
    }

    /// Returns whether a weakened setting is a fault.
    #[must_use]
    pub fn denies_danger(&self) -> bool {
        self.denies_danger
    }

    /// The fault of a source that allows plain HTTP, if danger is denied.
    pub(in crate::outbound) fn plain_http_fault(&self) -> Option<Fault> {
        let problem = "danger_allow_plain_http is in use, and deny_danger forbids it";
        self.denies_danger.then(|| Fault::new("danger", problem))
    }

    /// The clock for everything that a source dates or expires.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }
}
