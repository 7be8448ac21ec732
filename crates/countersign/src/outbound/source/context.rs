//! The context that a token source is attached to, and the clock taken from it.

use std::sync::{Arc, OnceLock};

use countersign_core::clock::{Clock, SystemClock};
use countersign_core::error::Fault;

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
}

impl OutboundContext {
    /// A context with this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        OutboundContext { clock }
    }

    /// The clock for everything that a source dates or expires.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }
}

/// The clock of the first context that a source is attached to; the system clock if it is used without one.
#[derive(Clone, Debug, Default)]
pub(super) struct AttachedClock(OnceLock<Arc<dyn Clock>>);

impl AttachedClock {
    /// Takes the clock of `context`. A source that already uses another clock is a fault.
    pub(super) fn attach(&self, context: &OutboundContext) -> Option<Fault> {
        let clock = self.0.get_or_init(|| Arc::clone(&context.clock));
        let problem = "the source is already used under another clock; give everything that shares it the same clock";
        (clock.id() != context.clock.id()).then(|| Fault::new("clock", problem))
    }

    pub(super) fn get(&self) -> &Arc<dyn Clock> {
        self.0.get_or_init(|| Arc::new(SystemClock))
    }
}
