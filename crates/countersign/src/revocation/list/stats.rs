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
}
