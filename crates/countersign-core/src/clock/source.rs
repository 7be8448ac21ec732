//! The clock of a source of keys or tokens.

use std::sync::{Arc, OnceLock};

use super::{Clock, SystemClock};
use crate::error::Fault;

/// The clock of a source: of the first verifier or client that uses it, or the system clock if nothing was attached.
///
/// ```
/// use std::sync::Arc;
/// use countersign_core::clock::{Clock, FixedClock, SourceClock, SystemClock, UnixTime};
///
/// let system: Arc<dyn Clock> = Arc::new(SystemClock);
/// let clock = SourceClock::new();
/// assert_eq!(clock.attach(&system), None);
/// assert_eq!(clock.attach(&system), None); // a second verifier with the same clock
/// let other: Arc<dyn Clock> = Arc::new(FixedClock::new(UnixTime::from_secs(0)));
/// assert_eq!(clock.attach(&other).map(|fault| fault.field), Some("clock".into()));
/// ```
#[derive(Clone, Debug, Default)]
pub struct SourceClock(OnceLock<Arc<dyn Clock>>);

impl SourceClock {
    /// A clock that is not decided yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes `clock`. Returns a fault if the source already uses another one.
    pub fn attach(&self, clock: &Arc<dyn Clock>) -> Option<Fault> {
        let current = self.0.get_or_init(|| Arc::clone(clock));
        let problem = "the source is already used under another clock; give everything that shares it the same clock";
        (current.id() != clock.id()).then(|| Fault::new("clock", problem))
    }

    /// The clock, decided from now on: the system clock if none was attached before.
    pub fn get(&self) -> &Arc<dyn Clock> {
        self.0.get_or_init(|| Arc::new(SystemClock))
    }
}

impl From<Arc<dyn Clock>> for SourceClock {
    fn from(clock: Arc<dyn Clock>) -> Self {
        SourceClock(OnceLock::from(clock))
    }
}
