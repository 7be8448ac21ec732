//! The key source under every location: fetches at first use, then refreshes keys before they expire.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::clock::SourceClock;
use countersign_core::error::Fault;
use countersign_core::key::{
    KeyCell, KeyHealth, KeySet, KeySourceInfo, KeyStats, RefreshFuture, RefreshOutcome, RefreshReason, SettingsDigest,
    SourceContext,
};

use super::cached_keys::{CachedKeys, KeyFetch};
use super::fetch_limit::FetchLimit;
use super::location::KeyLocation;
use super::snapshot::KeySnapshot;
use crate::refresh::{Outcome, RefreshCache, RefreshPolicy};
use crate::{rt, telemetry};

/// The shortest `Retry-After` for callers whose key could not be fetched.
const MIN_RETRY_AFTER: Duration = Duration::from_secs(1);

type KeyCache = RefreshCache<KeySet, KeyFetch>;

/// Settings, then the keys of one location once somebody needs them.
pub(super) struct RefreshingKeys<L> {
    pub(super) location: Arc<L>,
    pub(super) policy: RefreshPolicy,
    clock: SourceClock,
    pub(super) initial_snapshot: Option<KeySnapshot>,
    keys: Arc<CachedKeys>,
    /// Of missing keys' names, which untrusted clients choose: with a random key.
    hasher: RandomState,
    cache: Mutex<Option<KeyCache>>,
}

impl<L: KeyLocation> RefreshingKeys<L> {
    pub(super) fn new(location: L, policy: RefreshPolicy) -> Self {
        RefreshingKeys {
            location: Arc::new(location),
            policy,
            clock: SourceClock::new(),
            initial_snapshot: None,
            keys: Arc::default(),
            hasher: RandomState::new(),
            cache: Mutex::default(),
        }
    }

    pub(super) fn cell(&self) -> &KeyCell {
        if self.keys.usage.refresh_has_ended() && !self.keys.usage.is_limited() {
            self.refresh_again();
        }
        &self.keys.cell
    }

    /// Records that a token was verified with the keys.
    pub(super) fn record_use(&self) {
        self.keys.usage.record();
        if self.keys.usage.refresh_has_ended() {
            self.refresh_again();
        }
    }

    /// Starts the refresh task that has ended, as keys are in use again: their freshness must not depend on a missing key.
    #[cold]
    fn refresh_again(&self) {
        if let Some(cache) = self.current_cache().filter(|_| rt::has_runtime()) {
            self.keys.usage.set_refresh_ended(false);
            cache.spawn_refresh_task();
        }
    }

    /// Fetches newer keys, within the cool-down. The first call spawns the refresh task.
    pub(super) fn refresh<'a>(&'a self, reason: RefreshReason, key_id: Option<&'a str>) -> RefreshFuture<'a> {
        Box::pin(async move {
            let Some(cache) = self.cache() else {
                return RefreshOutcome::Unavailable { retry_after: MIN_RETRY_AFTER };
            };
            cache.spawn_refresh_task(); // before any await: a caller that gives up must not cancel it
            match cache.refresh(reason, key_id.map(|key_id| self.hasher.hash_one(key_id))).await {
                // A key that an older answer lacks may be a new one.
                Outcome::Refreshed if self.location.answered_from_cache() => {
                    RefreshOutcome::Deferred { retry_after: MIN_RETRY_AFTER }
                }
                Outcome::Refreshed => RefreshOutcome::Refreshed,
                Outcome::Deferred { retry_after } => {
                    RefreshOutcome::Deferred { retry_after: retry_after.max(MIN_RETRY_AFTER) }
                }
                Outcome::Failed { error: None, retry_after } if cache.is_fetching() => {
                    let clock = self.clock.get();
                    let limit = FetchLimit::of_process(&**clock);
                    telemetry::key_fetch_awaited(self.location.shown_name(), &limit.samples, clock.elapsed());
                    RefreshOutcome::InProgress { retry_after: retry_after.max(MIN_RETRY_AFTER) }
                }
                Outcome::Failed { retry_after, .. } => {
                    RefreshOutcome::Unavailable { retry_after: retry_after.max(MIN_RETRY_AFTER) }
                }
            }
        })
    }

    pub(super) fn describe(&self) -> KeySourceInfo {
        let mut info = KeySourceInfo::new(self.health()).stats(self.stats()).origin(self.location.origin());
        info.weakenings = self.location.weakenings();
        info.settings(SettingsDigest::of(&(self.location.settings(), self.policy.digest())))
    }

    /// Takes the verifier's clock. Keys of an issuer that was resolved at run time are refreshed only while they are in use,
    /// and fetched from public addresses only unless the context allows others.
    pub(super) fn attach(&self, context: &SourceContext) -> Vec<Fault> {
        if context.is_resolved() {
            self.keys.usage.refresh_only_while_used();
        }
        if !context.allows_private_addresses() {
            self.location.restrict_to_public_addresses();
        }
        self.keys.attachments().add(context);
        let mut faults = self.policy.faults();
        faults.extend(self.clock.attach(context.clock()));
        faults.extend(self.location.fault());
        if self.initial_snapshot.as_ref().is_some_and(|snapshot| snapshot.source() != self.location.name()) {
            faults.push(Fault::new("snapshot", "belongs to another source; each source needs its own"));
        }
        faults
    }

    /// Drops the keys after the last resolved issuer has gone, with what was recorded for further fetches.
    pub(super) fn detach(&self) {
        if !self.keys.detach() {
            return;
        }
        let cache = self.lock_cache().take();
        if let Some(cache) = cache {
            cache.clear(); // callers that wait for a fetch keep the cache itself
        }
        self.location.forget();
    }

    /// The current keys, for the next start; none that the issuer withdrew.
    pub(super) fn snapshot(&self) -> Option<KeySnapshot> {
        let cached = self.current_cache()?.cached().filter(|cached| !cached.is_withdrawn)?;
        let clock = self.clock.get();
        let age = clock.elapsed().saturating_sub(cached.fetched_at);
        let lifetime = cached.fresh_until.saturating_sub(cached.fetched_at);
        Some(KeySnapshot::new(self.location.name(), &cached.value, clock.now().saturating_sub(age), lifetime))
    }

    fn health(&self) -> KeyHealth {
        let Some(cache) = self.current_cache() else {
            return KeyHealth::NotReady { reason: "not fetched yet: no request has needed its keys".into() };
        };
        let status = cache.status();
        let reason = || match &status.last_error {
            Some(error) => error.to_string().into(),
            None => "the first fetch is in progress".into(),
        };
        match (self.keys.cell.is_usable(self.clock.get().elapsed()), status.failing_since) {
            (true, None) => KeyHealth::Ready,
            (true, Some(since)) => KeyHealth::Degraded { since, reason: reason() },
            (false, _) => KeyHealth::NotReady { reason: reason() },
        }
    }

    fn stats(&self) -> KeyStats {
        let mut stats = self.keys.counts();
        if let Some(cached) = self.current_cache().and_then(|cache| cache.cached()) {
            let elapsed = self.clock.get().elapsed();
            stats.age = Some(elapsed.saturating_sub(cached.fetched_at));
            stats.is_stale = cached.may_be_stale() && elapsed >= cached.fresh_until;
        }
        stats
    }

    /// The cache, which the first call makes; `None` if the source was detached.
    fn cache(&self) -> Option<KeyCache> {
        let mut cache = self.lock_cache();
        let generation = self.keys.attachments().generation()?;
        Some(cache.get_or_insert_with(|| self.new_cache(generation)).clone())
    }

    fn new_cache(&self, generation: u64) -> KeyCache {
        let fetch = KeyFetch {
            location: Arc::clone(&self.location) as Arc<dyn KeyLocation>,
            keys: Arc::clone(&self.keys),
            clock: Arc::clone(self.clock.get()),
            host: self.location.host(),
            limit: FetchLimit::of_process(&**self.clock.get()),
            generation,
        };
        let cache = RefreshCache::new(fetch, self.policy.clone(), Arc::clone(self.clock.get()));
        if let Some(snapshot) = &self.initial_snapshot
            && let Some((set, lifetime, age)) = snapshot.unpack(self.clock.get().now())
        {
            cache.preload(set, lifetime, age);
        }
        cache
    }

    fn current_cache(&self) -> Option<KeyCache> {
        self.lock_cache().clone()
    }

    fn lock_cache(&self) -> MutexGuard<'_, Option<KeyCache>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L: KeyLocation> fmt::Debug for RefreshingKeys<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshingKeys")
            .field("location", &self.location.shown_name())
            .field("cell", &self.keys.cell)
            .finish_non_exhaustive()
    }
}
