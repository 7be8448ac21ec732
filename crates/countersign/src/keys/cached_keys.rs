//! The keys of one source: fetched into a cell, counted, refreshed while they are in use.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::clock::Clock;
use countersign_core::key::{KeyCell, KeySet, KeyStats, VerifyingKey};

use super::attachments::Attachments;
use super::fetch_limit::FetchLimit;
use super::location::{KeyLocation, KeyRequest};
use crate::fetch::{FetchFailure, in_span};
use crate::refresh::{CachedValue, Fetch, FetchFuture, Fetched};
use crate::telemetry::{self, FetchEvents};

/// The time that keys are used after their issuer stated that it has none, in case that was a mistake of a moment.
const WITHDRAWN_AFTER: Duration = Duration::from_secs(45);

/// The cell of a source, and what is recorded about it.
#[derive(Default)]
pub(super) struct CachedKeys {
    pub(super) cell: KeyCell,
    pub(super) usage: Usage,
    attachments: Mutex<Attachments>,
    counters: Counters,
}

/// Counts of events since the source was created.
#[derive(Default)]
struct Counters {
    fetched: AtomicU64,
    failed: AtomicU64,
    forced: AtomicU64,
    suppressed: AtomicU64,
}

/// The use of keys, and whether they are refreshed. The task of a resolved issuer ends when its keys are not in use.
#[derive(Default)]
pub(super) struct Usage {
    only_while_used: AtomicBool,
    is_used: AtomicBool,
    refresh_has_ended: AtomicBool,
}

impl Usage {
    /// Records that a token was verified with the keys. Writes only what changes.
    pub(super) fn record(&self) {
        if self.is_limited() && !self.is_used.load(Ordering::Relaxed) {
            self.is_used.store(true, Ordering::Relaxed);
        }
    }

    /// Returns whether the refresh task has ended.
    pub(super) fn refresh_has_ended(&self) -> bool {
        self.refresh_has_ended.load(Ordering::Relaxed)
    }

    /// Returns whether keys are refreshed only while they are in use.
    pub(super) fn is_limited(&self) -> bool {
        self.only_while_used.load(Ordering::Relaxed)
    }

    /// Records that the refresh task has ended, or is started again.
    pub(super) fn set_refresh_ended(&self, has_ended: bool) {
        self.refresh_has_ended.store(has_ended, Ordering::Relaxed);
    }

    /// Refreshes keys from now on only while they are in use.
    pub(super) fn refresh_only_while_used(&self) {
        self.only_while_used.store(true, Ordering::Relaxed);
    }

    /// Returns whether keys are refreshed in any case, or were used since the last call.
    fn is_needed(&self) -> bool {
        !self.only_while_used.load(Ordering::Relaxed) || self.is_used.swap(false, Ordering::Relaxed)
    }
}

impl CachedKeys {
    pub(super) fn attachments(&self) -> MutexGuard<'_, Attachments> {
        self.attachments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the use by a resolved issuer. Returns true if it was the last one: then the keys are dropped.
    pub(super) fn detach(&self) -> bool {
        let mut attachments = self.attachments();
        let is_last = attachments.remove();
        if is_last {
            self.cell.clear();
        }
        is_last
    }

    /// The counts, without what only the cache knows.
    pub(super) fn counts(&self) -> KeyStats {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut stats = KeyStats::default();
        stats.fetched = count(&self.counters.fetched);
        stats.failed = count(&self.counters.failed);
        stats.forced = count(&self.counters.forced);
        stats.suppressed = count(&self.counters.suppressed);
        stats
    }
}

/// Fetches the keys of one location into a cell.
pub(super) struct KeyFetch {
    pub(super) location: Arc<dyn KeyLocation>,
    pub(super) keys: Arc<CachedKeys>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) host: Option<String>,
    pub(super) limit: Arc<FetchLimit>,
    /// The use of the source that the fetch belongs to.
    pub(super) generation: u64,
}

impl KeyFetch {
    fn events(&self) -> FetchEvents<'_> {
        let (is_resolved, samples) = (self.keys.usage.is_limited(), &self.limit.samples);
        FetchEvents { is_resolved, samples, elapsed: self.clock.elapsed() }
    }
}

impl Fetch<KeySet> for KeyFetch {
    type Error = FetchFailure;

    fn fetch(&self, current: Option<Arc<KeySet>>, forced: bool) -> FetchFuture<KeySet, FetchFailure> {
        let location = Arc::clone(&self.location);
        let request = KeyRequest { current: current.clone(), forced, elapsed: self.clock.elapsed() };
        if forced {
            self.keys.counters.forced.fetch_add(1, Ordering::Relaxed);
        }
        let (limit, FetchEvents { is_resolved, elapsed, .. }) = (Arc::clone(&self.limit), self.events());
        let fetch = Arc::clone(&location).fetch(request);
        Box::pin(async move {
            let span = telemetry::key_fetch_span(location.shown_name(), forced);
            let fetch_and_log = async {
                let result: Result<Fetched<KeySet>, FetchFailure> = fetch.await;
                if let Ok(fetched) = &result {
                    let events = FetchEvents { is_resolved, samples: &limit.samples, elapsed };
                    telemetry::keys_fetched(location.shown_name(), forced, current.as_deref(), &fetched.value, events);
                }
                result
            };
            in_span(span, fetch_and_log, FetchFailure::error_type).await
        })
    }

    fn timeout_error(&self) -> FetchFailure {
        FetchFailure::Timeout
    }

    fn on_finish(&self, error: Option<&FetchFailure>, forced: bool, cached: Option<&CachedValue<KeySet>>) {
        let Some(error) = error else {
            self.keys.counters.fetched.fetch_add(1, Ordering::Relaxed);
            return;
        };
        self.keys.counters.failed.fetch_add(1, Ordering::Relaxed);
        let age = cached.map(|cached| self.clock.elapsed().saturating_sub(cached.fetched_at));
        telemetry::key_fetch_failed(self.location.shown_name(), forced, error, age, self.events());
        if *error == FetchFailure::NoKeys && cached.is_none() {
            let attachments = self.keys.attachments();
            if attachments.generation() == Some(self.generation) {
                self.keys.cell.withdraw(Duration::ZERO);
            }
        }
    }

    fn on_change(&self, cached: &CachedValue<KeySet>) {
        let mut attachments = self.keys.attachments();
        if attachments.generation() != Some(self.generation) {
            return; // the issuer was evicted meanwhile
        }
        attachments.count(Some(&cached.value));
        if cached.is_withdrawn {
            if !self.keys.cell.is_withdrawn() {
                telemetry::keys_withdrawn(self.location.shown_name(), WITHDRAWN_AFTER, self.events());
            }
            self.keys.cell.withdraw(cached.usable_until);
        } else if cached.may_be_stale() {
            self.keys.cell.serve_stale(cached.usable_until);
        } else {
            self.keys.cell.store(Arc::clone(&cached.value), Some(cached.usable_until));
        }
    }

    fn on_recorded(&self) {
        let memory = self.keys.attachments().memory();
        if let Some(memory) = memory {
            memory.make_room();
        }
    }

    fn brings_news(&self, current: &KeySet, fetched: &KeySet) -> bool {
        fetched.keys().any(|key| {
            let is_same =
                |known: &VerifyingKey| known.key_id() == key.key_id() && known.thumbprint() == key.thumbprint();
            !current.keys().any(is_same)
        })
    }

    /// Issuers that are resolved at run time may be many and hostile: their first fetches are limited too, and new keys of
    /// theirs do not put them ahead of others.
    fn admit(&self, is_usable: bool, is_fruitful: bool, elapsed: Duration) -> Result<(), Duration> {
        let Some(host) = &self.host else { return Ok(()) };
        let is_resolved = self.keys.usage.is_limited();
        match (is_usable, is_resolved) {
            (true, _) => self.limit.admit(host, &self.location.origin(), is_fruitful && !is_resolved, elapsed),
            (false, true) => self.limit.admit_first(&self.location.origin(), elapsed),
            (false, false) => Ok(()),
        }
    }

    fn withdrawn_after(&self, error: &FetchFailure) -> Option<Duration> {
        (*error == FetchFailure::NoKeys).then_some(WITHDRAWN_AFTER)
    }

    fn on_task_end(&self) {
        self.keys.usage.set_refresh_ended(true);
    }

    fn on_suppressed(&self) {
        self.keys.counters.suppressed.fetch_add(1, Ordering::Relaxed);
        telemetry::key_refresh_skipped(self.location.shown_name(), &self.limit.samples, self.clock.elapsed());
    }

    fn is_needed(&self) -> bool {
        self.keys.usage.is_needed()
    }

    fn retry_after(&self, error: &FetchFailure) -> Option<Duration> {
        match error {
            FetchFailure::Status(_, retry_after) => *retry_after,
            _ => None,
        }
    }
}
