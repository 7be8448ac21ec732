//! A list in memory, and the lookups in it.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::{Clock, UnixTime};
use countersign_core::integration::NestedPermit;
use countersign_core::key::RefreshReason;
use countersign_core::policy::StatusListRules;
use countersign_core::status::ListedStatus;

use super::fetch_list::{HeldList, ListFetch, ListLocation};
use super::party::Party;
use super::state::ListState;
use super::stats::StatusListFailure;
use crate::refresh::{Outcome, RefreshCache, RefreshPolicy};
use crate::revocation::RevocationStatus;

/// A list that nobody asked for during this time, and that is therefore no longer kept fresh, makes room for another.
const IDLE_AFTER: Duration = Duration::from_secs(60);

/// One list, kept fresh while it is used.
pub(super) struct Entry {
    cache: RefreshCache<HeldList, ListFetch>,
    list: Arc<ListLocation>,
    state: Arc<ListState>,
    clock: Arc<dyn Clock>,
    /// True if its rules are not those of a policy, and never change.
    pub(super) is_in_code: bool,
    /// Whoever named it first.
    pub(super) party: Party,
    /// A number of its own among all lists of the process.
    pub(super) number: u64,
}

impl Entry {
    pub(super) fn new(
        list: ListLocation,
        policy: RefreshPolicy,
        party: Party,
        unproven: NestedPermit<2>,
        is_in_code: bool,
        number: u64,
    ) -> Self {
        let clock = Arc::clone(list.shared.verifier.clock());
        let (list, state) = (Arc::new(list), Arc::new(ListState::new(unproven, clock.elapsed())));
        let fetch = ListFetch { list: Arc::clone(&list), state: Arc::clone(&state) };
        let cache = RefreshCache::new(fetch, policy, Arc::clone(&clock));
        Entry { cache, list, state, clock, is_in_code, party, number }
    }

    /// Returns whether the list is fetched by these rules.
    #[inline]
    pub(super) fn is_by(&self, rules: &Arc<StatusListRules>) -> bool {
        self.list.rules == *rules // the same value nearly always, which is found without a comparison
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
        self.state.record_use();
        Some(revocation_status(status))
    }

    /// The status at `index`, after a fetch if the list is not usable now.
    pub(super) async fn status(&self, index: u64, issued_at: Option<UnixTime>) -> RevocationStatus {
        self.state.record_wait(self.clock.elapsed());
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

    /// The numbers of the list.
    pub(super) fn numbers(&self, elapsed: Duration) -> ListNumbers {
        let held = self.cache.read(|cached| {
            (cached.value.list.bytes(), elapsed < cached.usable_until && elapsed < cached.value.usable_until)
        });
        let (bytes, is_usable) = held.unwrap_or((0, false));
        let (age, failure) = (self.state.age(elapsed), self.state.failure());
        ListNumbers { bytes, is_usable, age, failure, is_in_use: self.is_in_use(elapsed) }
    }

    /// The issuer whose tokens name it.
    pub(super) fn issuer(&self) -> &str {
        &self.list.issuer
    }

    /// Returns whether it is fresh, or requests waited for it lately.
    pub(super) fn is_in_use(&self, elapsed: Duration) -> bool {
        let is_fresh = self.cache.read(|cached| elapsed < cached.fresh_until && elapsed < cached.value.usable_until);
        is_fresh == Some(true)
            || self.cache.is_fetching()
            || elapsed.saturating_sub(self.state.asked_at()) <= IDLE_AFTER
    }

    /// The time of the last request for it, if its fetches only failed so far and none is in progress.
    pub(super) fn failed_at(&self) -> Option<Duration> {
        (self.is_unproven() && !self.cache.is_fetching()).then(|| self.state.asked_at())
    }

    /// Gives back its place, and ends its refreshes. The map drops an entry only some time after it was removed.
    pub(super) fn give_back(&self) {
        self.state.give_back();
        self.state.take_use();
    }

    /// Returns whether it was never fetched.
    pub(super) fn is_unproven(&self) -> bool {
        self.state.is_unproven()
    }
}

/// The numbers of one list.
pub(super) struct ListNumbers {
    pub(super) bytes: usize,
    pub(super) is_usable: bool,
    /// The time since its last fetch that succeeded.
    pub(super) age: Option<Duration>,
    pub(super) failure: Option<StatusListFailure>,
    pub(super) is_in_use: bool,
}

impl ListNumbers {
    /// Returns whether requests ask for it in vain, although it was usable before.
    pub(super) fn is_too_old(&self) -> bool {
        !self.is_usable && self.is_in_use && self.age.is_some()
    }
}

fn revocation_status(status: ListedStatus) -> RevocationStatus {
    match status {
        ListedStatus::Valid => RevocationStatus::Valid,
        ListedStatus::Suspended => RevocationStatus::Suspended,
        _ => RevocationStatus::Revoked,
    }
}
