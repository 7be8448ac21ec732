//! The cache as its readers use it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_core::clock::Clock;
use countersign_core::key::RefreshReason;

use super::fetch::{CachedValue, Fetch, Outcome, Status};
use super::fetch_task::Suppressed;
use super::missed::Request;
use super::policy::RefreshPolicy;
use super::refresh_task::RefreshTask;
use super::single_flight::Waiter;
use super::state::{Inner, SharedResult};
use crate::rt;

/// The most fetches that one caller starts because runtimes end during them.
const MAX_STARTS: usize = 3;

/// Caches one value and refreshes it before it expires. Clones share the value.
pub(crate) struct RefreshCache<T, F: Fetch<T>>(Arc<Inner<T, F>>);

impl<T, F> RefreshCache<T, F>
where
    T: Send + Sync + 'static,
    F: Fetch<T>,
{
    pub(crate) fn new(fetch: F, policy: RefreshPolicy, clock: Arc<dyn Clock>) -> Self {
        RefreshCache(Arc::new(Inner::new(fetch, policy, clock)))
    }

    /// The value, if it may be used now. Takes no lock.
    pub(crate) fn usable(&self) -> Option<Arc<T>> {
        self.0.usable(self.0.clock.elapsed())
    }

    /// The value and its times, usable or not.
    pub(crate) fn cached(&self) -> Option<Arc<CachedValue<T>>> {
        self.0.cached.load_full()
    }

    /// Reads the value and its times, usable or not. Takes no lock, and leaves the reference count alone.
    #[cfg(feature = "status-list")]
    #[inline]
    pub(crate) fn read<R>(&self, read: impl FnOnce(&CachedValue<T>) -> R) -> Option<R> {
        self.0.cached.load().as_deref().map(read)
    }

    /// Returns whether there is a value that is due for a refresh.
    pub(crate) fn is_due(&self) -> bool {
        self.0.cached.load().as_ref().is_some_and(|cached| self.0.clock.elapsed() >= cached.refresh_at)
    }

    /// Starts a fetch in the background if the value is due and none is in progress. For values without a refresh task.
    pub(crate) fn refresh_if_due(&self) {
        if self.is_due() {
            self.0.start_in_background(|| true);
        }
    }

    /// Returns the usable value, or fetches one: joins the fetch in progress, or starts one unless the last failure is too
    /// recent, and waits at most the policy's `max_wait`. Callers that waited get the value, however short its lifetime.
    pub(crate) async fn get(&self) -> Result<Arc<T>, Outcome<F::Error>> {
        if let Some(value) = self.usable() {
            self.refresh_if_due();
            return Ok(value);
        }
        // Boxed, so that the future of a call with a usable value stays small.
        match Box::pin(self.join_or_start_and_wait(None, Request::ANY, self.0.policy.max_wait)).await {
            Ok((value, _)) => Ok(value),
            Err(suppressed) => self.usable().ok_or(suppressed.outcome),
        }
    }

    /// Fetches a newer value past the caches of intermediaries, at most once per cool-down for all callers. A caller that
    /// found a fetch in progress waits for it, and then for a later one if it misses a key and the cool-down allows one.
    ///
    /// `key` is a hash of the missing key. For a key that callers ask for repeatedly, and that no fetch has looked for, the
    /// cool-down is shorter, and callers wait for its end, each within the policy's `max_wait`.
    pub(crate) async fn refresh(&self, reason: RefreshReason, key: Option<u64>) -> Outcome<F::Error> {
        let (began, max_wait) = (Instant::now(), self.0.policy.max_wait);
        let request = self.0.request(key);
        let mut waited = Duration::ZERO;
        loop {
            let left = max_wait.saturating_add(waited).saturating_sub(began.elapsed());
            let suppressed = match self.join_or_start_and_wait(Some(reason), request, left).await {
                Ok((_, true)) => return Outcome::Refreshed,
                Ok(_) if reason == RefreshReason::NoUsableKeys => {
                    return Outcome::Deferred { retry_after: self.0.retry_after() };
                }
                Ok(_) => continue, // a later fetch is newer than the request
                Err(suppressed) => suppressed,
            };
            let may_wait = request.is_repeated && waited.is_zero() && suppressed.pause <= max_wait;
            if !may_wait || !self.0.wait_for_cool_down(suppressed.pause).await {
                return suppressed.outcome;
            }
            waited = suppressed.pause;
            if self.0.is_answered(request) {
                return Outcome::Refreshed; // by the fetch of another caller
            }
        }
    }

    /// Starts a fetch in the background if `admit` permits it, unless one is in progress or the last failure is too recent.
    pub(crate) fn start_in_background(&self, admit: impl FnOnce() -> bool) {
        self.0.start_in_background(admit);
    }

    /// Drops the value if it is still `value`, so that a newer one is never lost.
    pub(crate) fn invalidate(&self, value: &Arc<T>) {
        self.0.invalidate(value);
    }

    /// Drops the value.
    pub(crate) fn clear(&self) {
        self.0.clear();
    }

    /// Refreshes the value in the background from now on, until the cache is dropped.
    pub(crate) fn spawn_refresh_task(&self) {
        RefreshTask::spawn(&self.0);
    }

    /// Stores a value that an earlier process fetched `age` ago, unless one is cached already.
    pub(crate) fn preload(&self, value: Arc<T>, lifetime: Duration, age: Duration) {
        self.0.preload(value, lifetime, age);
    }

    /// Returns whether a fetch is in progress.
    pub(crate) fn is_fetching(&self) -> bool {
        self.0.is_fetching()
    }

    pub(crate) fn status(&self) -> Status<F::Error> {
        self.0.status()
    }

    /// Waits for the fetch in progress, or for a new one. If the runtime of that fetch ends, starts another on this one.
    /// Returns the value, and whether its fetch answers the request.
    async fn join_or_start_and_wait(
        &self,
        reason: Option<RefreshReason>,
        request: Request,
        limit: Duration,
    ) -> Result<(Arc<T>, bool), Suppressed<F::Error>> {
        let began = Instant::now();
        for _ in 0..MAX_STARTS {
            let joined = self.0.join_or_start(reason, request)?;
            let left = limit.saturating_sub(began.elapsed());
            if let Some(result) = self.wait(joined.waiter, left).await {
                return result.map(|value| (value, joined.is_answer)).map_err(Suppressed::finally);
            }
        }
        let error = Some(self.0.fetch.timeout_error());
        Err(Suppressed::finally(Outcome::Failed { error, retry_after: self.0.policy.initial_backoff }))
    }

    /// Waits for the result of a fetch; `None` if it was cancelled.
    async fn wait(
        &self,
        waiter: Waiter<SharedResult<T, F::Error>>,
        limit: Duration,
    ) -> Option<Result<Arc<T>, Outcome<F::Error>>> {
        match rt::within(limit, waiter.result()).await {
            Some(result) => {
                Some(result?.map_err(|error| Outcome::Failed { error: Some(error), retry_after: self.0.retry_after() }))
            }
            None => {
                self.0.extend_while_fetching();
                Some(Err(Outcome::Failed { error: None, retry_after: self.0.policy.initial_backoff }))
            }
        }
    }
}

impl<T, F: Fetch<T>> Clone for RefreshCache<T, F> {
    fn clone(&self) -> Self {
        RefreshCache(Arc::clone(&self.0))
    }
}

impl<T, F: Fetch<T>> fmt::Debug for RefreshCache<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cached = self.0.cached.load();
        f.debug_struct("RefreshCache")
            .field("fetched_at", &cached.as_ref().map(|cached| cached.fetched_at))
            .finish_non_exhaustive()
    }
}
