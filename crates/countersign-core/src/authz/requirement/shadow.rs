//! Counters of shadow mode.

use crate::counter::Counter;

/// The decisions that a requirement in shadow mode would have made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShadowStats {
    /// The number of evaluations in which it was met.
    pub met: u64,
    /// The number of evaluations in which it was not met and would have refused the request.
    pub unmet: u64,
}

#[derive(Debug, Default)]
pub(super) struct ShadowCounts {
    met: Counter,
    unmet: Counter,
}

impl ShadowCounts {
    pub(super) fn count(&self, is_met: bool) {
        if is_met { self.met.increment() } else { self.unmet.increment() }
    }

    pub(super) fn stats(&self) -> ShadowStats {
        ShadowStats { met: self.met.sum(), unmet: self.unmet.sum() }
    }
}

/// Always equal: the counts are not part of a requirement's definition.
impl PartialEq for ShadowCounts {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for ShadowCounts {}
