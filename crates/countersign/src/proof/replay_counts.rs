//! The counts of a store of used proofs.

use std::sync::atomic::{AtomicU64, Ordering};

use super::replay::ReplayOutcome;
use super::replay_stats::ReplayStats;

/// Counts the outcomes that refuse a proof. New proofs are not counted, so that they cost nothing.
#[derive(Debug, Default)]
pub struct ReplayCounts {
    used: AtomicU64,
    forgotten: AtomicU64,
    share_used_up: AtomicU64,
    unknown: AtomicU64,
}

impl ReplayCounts {
    /// Counts an outcome, and returns it.
    #[inline]
    pub fn count(&self, outcome: ReplayOutcome) -> ReplayOutcome {
        if outcome != ReplayOutcome::New {
            self.refused(outcome);
        }
        outcome
    }

    #[cold]
    fn refused(&self, outcome: ReplayOutcome) {
        let count = match outcome {
            ReplayOutcome::New => return,
            ReplayOutcome::Used => &self.used,
            ReplayOutcome::Forgotten => &self.forgotten,
            ReplayOutcome::ShareUsedUp => &self.share_used_up,
            ReplayOutcome::Unknown => &self.unknown,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// The numbers of now.
    pub fn stats(&self, entries: Option<usize>) -> ReplayStats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ReplayStats {
            entries,
            used: read(&self.used),
            forgotten: read(&self.forgotten),
            share_used_up: read(&self.share_used_up),
            unknown: read(&self.unknown),
        }
    }
}
