//! The settings that a verifier hands down to its key sources.

use std::sync::{Arc, OnceLock};

use crate::clock::{Clock, SystemClock};
use crate::error::Fault;

/// The context in which a key source is used: the verifier's clock, and whether the issuer was resolved at run time.
///
/// ```
/// use std::sync::Arc;
/// use countersign_core::clock::SystemClock;
/// use countersign_core::key::SourceContext;
///
/// let context = SourceContext::new(Arc::new(SystemClock)).resolved(false);
/// assert!(context.is_resolved() && !context.allows_private_addresses());
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct SourceContext {
    clock: Arc<dyn Clock>,
    is_resolved: bool,
    private_addresses_allowed: bool,
}

impl SourceContext {
    /// The context of an issuer that the operator configured, under this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        SourceContext { clock, is_resolved: false, private_addresses_allowed: true }
    }

    /// The context of an issuer that was resolved by the `iss` of a token.
    pub fn resolved(mut self, private_addresses_allowed: bool) -> Self {
        self.is_resolved = true;
        self.private_addresses_allowed = private_addresses_allowed;
        self
    }

    /// The verifier's clock: it measures lifetimes of keys.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Returns whether the issuer was resolved at run time. Its source then fetches only while its keys are in use.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        self.is_resolved
    }

    /// Returns whether the source may connect to private addresses; always true for issuers that the operator configured.
    #[must_use]
    pub fn allows_private_addresses(&self) -> bool {
        self.private_addresses_allowed
    }
}

/// The clock of a key source: that of the verifier it is attached to, the system clock if it is used without one.
///
/// ```
/// use std::sync::Arc;
/// use countersign_core::clock::{FixedClock, SystemClock, UnixTime};
/// use countersign_core::key::{SourceClock, SourceContext};
///
/// let clock = SourceClock::new();
/// let context = SourceContext::new(Arc::new(SystemClock));
/// assert_eq!(clock.attach(&context), None);
/// assert_eq!(clock.attach(&context), None); // a second verifier with the same clock
/// let other = SourceContext::new(Arc::new(FixedClock::new(UnixTime::from_secs(0))));
/// assert_eq!(clock.attach(&other).map(|fault| fault.field), Some("clock".into()));
/// ```
#[derive(Debug, Default)]
pub struct SourceClock(OnceLock<Arc<dyn Clock>>);

impl SourceClock {
    /// A clock that is not decided yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the clock of `context`. Returns a fault if the source already uses another one.
    pub fn attach(&self, context: &SourceContext) -> Option<Fault> {
        let current = self.0.get_or_init(|| Arc::clone(context.clock()));
        let is_same = current.id() == context.clock().id();
        (!is_same).then(|| {
            Fault::new("clock", "a key source is used with two different clocks; give each verifier its own source")
        })
    }

    /// The clock, decided from now on: the system clock if no verifier was attached before.
    pub fn get(&self) -> &Arc<dyn Clock> {
        self.0.get_or_init(|| Arc::new(SystemClock))
    }
}

impl From<Arc<dyn Clock>> for SourceClock {
    fn from(clock: Arc<dyn Clock>) -> Self {
        SourceClock(OnceLock::from(clock))
    }
}
