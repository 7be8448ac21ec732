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
    /// Those among them that were usable before, and that requests still ask for: their tokens get 503.
    pub too_old: usize,
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

/// The status lists of one issuer; made by [`StatusLists::report`](super::StatusLists::report).
///
/// ```
/// use countersign::status::StatusLists;
///
/// fn print(lists: &StatusLists) {
///     for state in lists.report() {
///         let failure = state.last_failure.map_or("none", |failure| failure.code());
///         println!("{}: {} lists, {:?} old, last failure: {failure}", state.issuer, state.lists, state.age);
///     }
/// }
/// # let _ = print;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IssuerStatusLists {
    /// The issuer.
    pub issuer: String,
    /// Its lists in memory.
    pub lists: usize,
    /// Those that were usable before, and that requests still ask for, but that are too old or expired.
    pub too_old: usize,
    /// The time since the last fetch of the list, of those in use, that was fetched longest ago; `None` if there is none.
    pub age: Option<Duration>,
    /// The kind of failure of a list in use whose last fetch failed.
    pub last_failure: Option<StatusListFailure>,
}

/// The kind of a failed fetch of a status list. [`IssuerStatusLists`] has an example; the log has the details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatusListFailure {
    /// Its host did not answer with a success.
    Unreachable,
    /// The answer is no status list.
    Unusable,
    /// The list was refused: its signature, a name or a time is not as the issuer's policy demands.
    Refused,
}

impl StatusListFailure {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            StatusListFailure::Unreachable => "unreachable",
            StatusListFailure::Unusable => "unusable",
            StatusListFailure::Refused => "refused",
        }
    }

    pub(super) const fn to_number(self) -> u8 {
        match self {
            StatusListFailure::Unreachable => 1,
            StatusListFailure::Unusable => 2,
            StatusListFailure::Refused => 3,
        }
    }

    /// `None` for 0, which stands for no failure.
    pub(super) const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(StatusListFailure::Unreachable),
            2 => Some(StatusListFailure::Unusable),
            3 => Some(StatusListFailure::Refused),
            _ => None,
        }
    }
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
