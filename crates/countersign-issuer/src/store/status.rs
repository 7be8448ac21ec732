//! The interface of a store for the statuses of tokens.

use countersign_core::clock::UnixTime;

use super::StoreError;

/// The tokens of one status list. It never changes: the number of a list follows from an index.
pub(crate) const LIST_ENTRIES: u64 = 1 << 20;

/// The time for which an ended list is kept, in case a clock is ahead.
const KEPT_AFTER_END: std::time::Duration = std::time::Duration::from_secs(86_400);

/// Stores which indices of status lists are taken, and which are revoked. Every acknowledged write survives a crash.
///
/// Indices count through all lists: each list has 1,048,576. The methods may block, as those of [`Store`](super::Store).
///
/// ```
/// use countersign_core::clock::UnixTime;
/// use countersign_issuer::{MemoryStore, Store};
///
/// let store = MemoryStore::new();
/// let statuses = store.statuses().expect("it stores them");
/// let (now, end) = (UnixTime::from_secs(0), UnixTime::from_secs(60));
/// assert_eq!(statuses.reserve(1024, end, now), Ok(0));
/// assert_eq!(statuses.reserve(1024, end, now), Ok(1024));
/// statuses.revoke_index(7)?;
/// assert_eq!(statuses.revoked_indices(0), Ok(vec![7]));
/// # Ok::<(), countersign_issuer::StoreError>(())
/// ```
pub trait StatusStore: Send + Sync {
    /// Reserves `count` indices, which no other caller gets, and returns the first. `count` divides the size of a list, and is the same
    /// for all callers. Their tokens have expired at `ends_at`.
    ///
    /// Lists before that of the result whose tokens expired a day before `now` may be removed, with their indices.
    ///
    /// # Errors
    /// `StoreError` if the outcome is unknown; the indices are lost then.
    fn reserve(&self, count: u64, ends_at: UnixTime, now: UnixTime) -> Result<u64, StoreError>;

    /// The lists that have reserved indices and were not removed.
    ///
    /// # Errors
    /// `StoreError` if they cannot be read.
    fn lists(&self) -> Result<Vec<u64>, StoreError>;

    /// Marks an index as revoked.
    ///
    /// # Errors
    /// `StoreError` if the outcome is unknown.
    fn revoke_index(&self, index: u64) -> Result<(), StoreError>;

    /// The revoked indices of a list, in ascending order.
    ///
    /// # Errors
    /// `StoreError` if they cannot be read.
    fn revoked_indices(&self, list: u64) -> Result<Vec<u64>, StoreError>;
}

/// The list of an index.
pub(super) const fn list_of(index: u64) -> u64 {
    index / LIST_ENTRIES
}

/// The indices of a list.
pub(super) const fn indices_of(list: u64) -> std::ops::Range<u64> {
    list.saturating_mul(LIST_ENTRIES)..list.saturating_add(1).saturating_mul(LIST_ENTRIES)
}

/// The latest end, in seconds, of lists that may be removed.
pub(super) const fn removed_before(now: UnixTime) -> u64 {
    now.saturating_sub(KEPT_AFTER_END).as_secs()
}
