//! The use and the fetches of one list.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use countersign_core::integration::NestedPermit;

use super::stats::StatusListFailure;

/// The use and the fetches of a list, shared with its fetch.
pub(super) struct ListState {
    is_used: AtomicBool,
    /// When a request last had to wait for it, in seconds of the clock's `elapsed`.
    asked_at: AtomicU64,
    /// When it was last fetched, in milliseconds after the start of `elapsed`, plus one; 0 if it never was.
    fetched_at: AtomicU64,
    /// The last failure since then; see [`StatusListFailure::from_number`].
    failure: AtomicU8,
    /// The place among the lists that were never fetched.
    unproven: Mutex<Option<NestedPermit<2>>>,
}

impl ListState {
    pub(super) fn new(unproven: NestedPermit<2>, elapsed: Duration) -> Self {
        ListState {
            is_used: AtomicBool::new(true),
            asked_at: AtomicU64::new(elapsed.as_secs()),
            fetched_at: AtomicU64::new(0),
            failure: AtomicU8::new(0),
            unproven: Mutex::new(Some(unproven)),
        }
    }

    /// Records a request that found the list fresh.
    #[inline]
    pub(super) fn record_use(&self) {
        if !self.is_used.load(Ordering::Relaxed) {
            self.is_used.store(true, Ordering::Relaxed); // written only if it changes
        }
    }

    /// Records a request that has to wait.
    pub(super) fn record_wait(&self, elapsed: Duration) {
        self.is_used.store(true, Ordering::Relaxed);
        self.asked_at.store(elapsed.as_secs(), Ordering::Relaxed);
    }

    /// Returns whether it was used since the last call.
    pub(super) fn take_use(&self) -> bool {
        self.is_used.swap(false, Ordering::Relaxed)
    }

    pub(super) fn asked_at(&self) -> Duration {
        Duration::from_secs(self.asked_at.load(Ordering::Relaxed))
    }

    /// Records the end of a fetch.
    pub(super) fn record_fetch(&self, failure: Option<StatusListFailure>, elapsed: Duration) {
        self.failure.store(failure.map_or(0, StatusListFailure::to_number), Ordering::Relaxed);
        if failure.is_none() {
            let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
            self.fetched_at.store(millis.saturating_add(1), Ordering::Relaxed);
            self.give_back();
        }
    }

    /// Gives back its place among the lists that were never fetched.
    pub(super) fn give_back(&self) {
        *self.unproven.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn failure(&self) -> Option<StatusListFailure> {
        StatusListFailure::from_number(self.failure.load(Ordering::Relaxed))
    }

    /// The time since the last fetch that succeeded.
    pub(super) fn age(&self, elapsed: Duration) -> Option<Duration> {
        let at = self.fetched_at.load(Ordering::Relaxed).checked_sub(1)?;
        Some(elapsed.saturating_sub(Duration::from_millis(at)))
    }

    /// Returns whether it was never fetched.
    pub(super) fn is_unproven(&self) -> bool {
        self.fetched_at.load(Ordering::Relaxed) == 0
    }
}
