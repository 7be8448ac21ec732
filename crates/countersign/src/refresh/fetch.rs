//! The interface between the cache and what it fetches.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::UnixTime;

/// The future of one fetch.
pub(crate) type FetchFuture<T, E> = Pin<Box<dyn Future<Output = Result<Fetched<T>, E>> + Send>>;

/// Fetches a value, and is notified of changes to the cache.
pub(crate) trait Fetch<T>: Send + Sync + 'static {
    /// The error of a failed fetch; all callers that waited for the fetch receive it.
    type Error: Clone + Send + Sync + 'static;

    /// Fetches the value. A `forced` fetch asks intermediaries to bypass their caches.
    fn fetch(&self, current: Option<Arc<T>>, forced: bool) -> FetchFuture<T, Self::Error>;

    /// The error for a fetch that exceeded its time limit or whose task was cancelled.
    fn timeout_error(&self) -> Self::Error;

    /// Called when the cached value or its times change. Must return quickly and must not use the cache.
    fn on_change(&self, _cached: &CachedValue<T>) {}

    /// Called at the end of each fetch, cancelled ones included, with its error and the value cached until then.
    fn on_finish(&self, _error: Option<&Self::Error>, _forced: bool, _cached: Option<&CachedValue<T>>) {}

    /// Called once the result of a fetch is recorded, without a lock, before its callers receive it.
    fn on_recorded(&self) {}

    /// Returns whether a fetched value has something that the current one lacks, such as a new key.
    fn brings_news(&self, _current: &T, _fetched: &T) -> bool {
        false
    }

    /// Admits a fetch that a caller causes, in addition to cool-down and back-off. Called under a lock: must return quickly
    /// and must not use the cache. `is_usable` if there is a value, `is_fruitful` if earlier fetches brought something new.
    ///
    /// # Errors
    /// The time until the next attempt makes sense.
    fn admit(&self, _is_usable: bool, _is_fruitful: bool, _elapsed: Duration) -> Result<(), Duration> {
        Ok(())
    }

    /// The time that the current value may still be used after this error, if the error withdraws it.
    fn withdrawn_after(&self, _error: &Self::Error) -> Option<Duration> {
        None
    }

    /// Called when a caller's request is suppressed by the cool-down or the back-off.
    fn on_suppressed(&self) {}

    /// Returns whether the refresh task should continue; called before each of its fetches.
    fn is_needed(&self) -> bool {
        true
    }

    /// Called when the refresh task has ended, because the value is not needed or the runtime shut down.
    fn on_task_end(&self) {}

    /// The wait before the next fetch, if the error states it.
    fn retry_after(&self, _error: &Self::Error) -> Option<Duration> {
        None
    }
}

/// A fetched value and the lifetime that its response states.
pub(crate) struct Fetched<T> {
    pub(crate) value: Arc<T>,
    pub(crate) lifetime: Option<Duration>,
}

/// A value with its times, as readings of the clock's `elapsed`.
pub(crate) struct CachedValue<T> {
    pub(crate) value: Arc<T>,
    pub(crate) fetched_at: Duration,
    pub(crate) refresh_at: Duration,
    pub(crate) fresh_until: Duration,
    /// Equals `fresh_until` until a fetch fails, then `stale_until`.
    pub(crate) usable_until: Duration,
    pub(crate) stale_until: Duration,
    /// True if the origin stated that there is no value anymore.
    pub(crate) is_withdrawn: bool,
}

impl<T> CachedValue<T> {
    /// Returns whether the value may be used past its lifetime, because a fetch failed.
    pub(crate) fn may_be_stale(&self) -> bool {
        self.usable_until > self.fresh_until
    }

    pub(super) fn with_usable_until(&self, usable_until: Duration) -> Self {
        CachedValue { value: Arc::clone(&self.value), usable_until, ..*self }
    }
}

/// The outcome of a refresh request.
pub(crate) enum Outcome<E> {
    /// A fetch that began after the request succeeded.
    Refreshed,
    /// The value is usable, but was fetched before the request; the next request may cause a fetch after `retry_after`.
    Deferred { retry_after: Duration },
    /// No fetch succeeded; the next request may cause one after `retry_after`.
    Failed { error: Option<E>, retry_after: Duration },
}

/// The state of recent fetches.
pub(crate) struct Status<E> {
    pub(crate) last_error: Option<E>,
    /// The time of the first failure since the last success.
    pub(crate) failing_since: Option<UnixTime>,
}
