//! What shadow mode counts.

use crate::counter::Counter;

/// How a requirement in shadow mode would have decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShadowStats {
    /// So often it was met.
    pub met: u64,
    /// So often it was not, and would have refused had it been in force.
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

/// Counts are no part of what a requirement says.
impl PartialEq for ShadowCounts {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for ShadowCounts {}
