//! The numbers of status lists.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::telemetry::Sampler;

/// The numbers of status lists since the check was made; made by [`StatusLists::stats`](super::StatusLists::stats).
///
/// ```
/// use countersign::status::StatusLists;
///
/// fn is_behind(lists: &StatusLists) -> bool {
///     lists.stats().oldest.is_some_and(|age| age.as_secs() > 60)
/// }
/// # let _ = is_behind;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatusListStats {
    /// The lists in memory.
    pub lists: usize,
    /// The lists in memory that are too old, expired, or were never fetched.
    pub unusable: usize,
    /// The memory of the statuses, in bytes.
    pub bytes: usize,
    /// The age of the oldest usable list, since its last fetch.
    pub oldest: Option<Duration>,
    /// Fetches that succeeded, unchanged lists included.
    pub fetched: u64,
    /// Fetches that failed, unusable lists included.
    pub failed: u64,
    /// Tokens whose list may not be fetched: its address is not permitted, cannot be read, or there is no room for it.
    pub not_permitted: u64,
}

/// The counts and the log of all lists.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) fetched: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) not_permitted: AtomicU64,
    pub(super) log: Sampler,
}

impl Default for Counts {
    fn default() -> Self {
        let zero = AtomicU64::default;
        Counts { fetched: zero(), failed: zero(), not_permitted: zero(), log: Sampler::new() }
    }
}

pub(super) fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}
