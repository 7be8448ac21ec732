//! The numbers of a list.

use std::time::Duration;

/// The numbers of a [`RevocationList`](super::RevocationList); [`stats`](super::RevocationList::stats) has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevocationStats {
    /// The revocations in the list.
    pub entries: usize,
    /// The notices of feeds that found no room.
    pub refused: u64,
    /// The time since the feed that was confirmed longest ago was; `None` without a feed, or if one never was.
    pub age: Option<Duration>,
    /// False if statuses that are not revoked are unknown: a feed was not confirmed in time, or a notice found no room. After the
    /// latter it is true again at the first confirmation after the notice's tokens have expired.
    pub is_complete: bool,
    /// The reason, if it is not complete.
    pub problem: Option<RevocationProblem>,
}

/// The reason why a list of revocations is not complete.
///
/// ```
/// use countersign::revocation::{RevocationList, RevocationProblem};
///
/// assert_eq!(RevocationList::new().stats().problem, None);
/// assert_eq!(RevocationProblem::NotConfirmed.code(), "not_confirmed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationProblem {
    /// A feed was never confirmed, or not in time: its source is silent or not reached.
    NotConfirmed,
    /// A notice found no room.
    NoRoom,
}

impl RevocationProblem {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            RevocationProblem::NotConfirmed => "not_confirmed",
            RevocationProblem::NoRoom => "no_room",
        }
    }
}
