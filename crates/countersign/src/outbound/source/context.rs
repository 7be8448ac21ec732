//! The context that a token source is attached to.

use std::sync::Arc;

use countersign_core::clock::Clock;

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
