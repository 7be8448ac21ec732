//! A list in memory, and the lookups in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use countersign_core::clock::{Clock, UnixTime};
use countersign_core::key::RefreshReason;
use countersign_core::status::ListedStatus;

use super::fetch_list::{HeldList, ListFetch, ListLocation};
use crate::refresh::{Outcome, RefreshCache, RefreshPolicy};
use crate::revocation::RevocationStatus;

/// A list that is not usable, and that nobody asked for during this time, makes room for another.
const IDLE_AFTER: Duration = Duration::from_secs(60);

/// One list, kept fresh while it is used.
pub(super) struct Entry {
    cache: RefreshCache<HeldList, ListFetch>,
    is_used: Arc<AtomicBool>,
    clock: Arc<dyn Clock>,
    /// When a request last had to wait for it, in seconds of the clock's `elapsed`.
    asked_at: AtomicU64,
}

impl Entry {
    pub(super) fn new(list: ListLocation, policy: RefreshPolicy) -> Self {
        let clock = Arc::clone(list.shared.verifier.clock());
        let is_used = Arc::new(AtomicBool::new(true));
        let fetch = ListFetch { list: Arc::new(list), is_used: Arc::clone(&is_used) };
        let asked_at = AtomicU64::new(clock.elapsed().as_secs());
        Entry { cache: RefreshCache::new(fetch, policy, Arc::clone(&clock)), is_used, clock, asked_at }
    }

    /// The status at `index` by the list in memory; `None` if it is not fresh, or too short.
    #[inline]
    pub(super) fn fresh_status(&self, index: u64, elapsed: Duration) -> Option<RevocationStatus> {
        let status = self.cache.read(|cached| {
            let held = &cached.value;
            let is_fresh = elapsed < cached.fresh_until && elapsed < held.usable_until;
            held.list.status(index).filter(|_| is_fresh)
        });
        let status = status.flatten()?;
        if !self.is_used.load(Ordering::Relaxed) {
            self.is_used.store(true, Ordering::Relaxed); // written only if it changes
        }
        Some(revocation_status(status))
    }

    /// The status at `index`, after a fetch if the list is not usable now.
    pub(super) async fn status(&self, index: u64, issued_at: Option<UnixTime>) -> RevocationStatus {
        self.is_used.store(true, Ordering::Relaxed);
        self.asked_at.store(self.clock.elapsed().as_secs(), Ordering::Relaxed);
        if let Some(cached) = self.cached_too_long() {
            self.cache.invalidate(&cached); // or the cache would use it during an outage
        }
        let found = self.cache.get().await;
        self.cache.spawn_refresh_task();
        let Ok(held) = found else { return RevocationStatus::Unknown };
        if self.clock.elapsed() >= held.usable_until {
            return RevocationStatus::Unknown;
        }
        match held.list.status(index) {
            Some(status) => revocation_status(status),
            // The list may have grown since: of a token that is older, nothing newer will tell more.
            None if issued_at.is_some_and(|issued_at| issued_at < held.issued_at) => RevocationStatus::Revoked,
            None => self.status_in_newer(index).await,
        }
    }

    /// The status in a list that is fetched now, if the cool-down permits that. An index that it lacks is refused.
    async fn status_in_newer(&self, index: u64) -> RevocationStatus {
        let outcome = self.cache.refresh(RefreshReason::MissingKey, None).await;
        let Some(held) = self.cache.usable() else { return RevocationStatus::Unknown };
        match (held.list.status(index), outcome) {
            (Some(status), _) => revocation_status(status),
            (None, Outcome::Refreshed) => RevocationStatus::Revoked,
            (None, _) => RevocationStatus::Unknown,
        }
    }

    fn cached_too_long(&self) -> Option<Arc<HeldList>> {
        let elapsed = self.clock.elapsed();
        let too_long = |cached: &crate::refresh::CachedValue<HeldList>| {
            (elapsed >= cached.value.usable_until).then(|| Arc::clone(&cached.value))
        };
        self.cache.read(too_long).flatten()
    }

    /// The age, the bytes, and whether it is usable; `None` if it was never fetched.
    pub(super) fn state(&self, elapsed: Duration) -> Option<(Duration, usize, bool)> {
        self.cache.read(|cached| {
            let is_usable = elapsed < cached.usable_until && elapsed < cached.value.usable_until;
            (elapsed.saturating_sub(cached.fetched_at), cached.value.list.bytes(), is_usable)
        })
    }

    /// Returns whether it may make room for another list.
    pub(super) fn is_idle(&self, elapsed: Duration) -> bool {
        let is_usable = self.state(elapsed).is_some_and(|(.., is_usable)| is_usable);
        let asked_at = Duration::from_secs(self.asked_at.load(Ordering::Relaxed));
        !is_usable && !self.cache.is_fetching() && elapsed.saturating_sub(asked_at) > IDLE_AFTER
    }
}

fn revocation_status(status: ListedStatus) -> RevocationStatus {
    match status {
        ListedStatus::Valid => RevocationStatus::Valid,
        ListedStatus::Suspended => RevocationStatus::Suspended,
        _ => RevocationStatus::Revoked,
    }
}
