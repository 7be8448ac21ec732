//! The clock of a revocation list.

use std::sync::{Arc, OnceLock};

use countersign_core::clock::{Clock, SystemClock, UnixTime};
use countersign_core::error::Fault;

/// The clock that the first layer handed down; the system clock before that.
#[derive(Debug, Default)]
pub(super) struct AttachedClock(OnceLock<Arc<dyn Clock>>);

impl AttachedClock {
    /// Takes the clock, unless there is one already. A different one is a fault.
    pub(super) fn attach(&self, clock: &Arc<dyn Clock>) -> Vec<Fault> {
        let attached = self.0.get_or_init(|| Arc::clone(clock));
        if attached.id() == clock.id() {
            return Vec::new();
        }
        vec![Fault::new("revocation", "the check is used with two different clocks; create one check for each clock")]
    }

    pub(super) fn now(&self) -> UnixTime {
        self.0.get().map_or_else(|| SystemClock.now(), |clock| clock.now())
    }
}
