//! The cell, as its readers see it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_core::clock::{Clock, UnixTime};
use countersign_core::key::RefreshReason;

use super::RefreshPolicy;
use super::flight::{Landing, Shared};
use crate::rt;

/// The future of one fetch.
pub(crate) type FetchFuture<T, E> = Pin<Box<dyn Future<Output = Result<Fresh<T>, E>> + Send>>;

/// Fetches the value, and hears of what became of it.
pub(crate) trait Fetch<T>: Send + Sync + 'static {
    /// Why a fetch failed; shared by all who waited for it.
    type Error: Clone + Send + Sync + 'static;

    /// Fetches it. `forced` asks intermediaries not to answer from their store.
    fn fetch(&self, held: Option<Arc<T>>, forced: bool) -> FetchFuture<T, Self::Error>;

    /// The error for a fetch that did not end in time, or whose task died.
    fn timed_out(&self) -> Self::Error;

    /// Called whenever what is held, or how long it may be used, has changed; must be quick and ask nothing of the cell.
    fn settled(&self, _held: &Held<T>) {}

    /// Called at the end of each fetch, cut off ones included, with why it failed and what was held until then.
    fn landed(&self, _failure: Option<&Self::Error>, _forced: bool, _held: Option<&Held<T>>) {}

    /// Called when a caller's wish for a look falls into the cool-down or a pause.
    fn suppressed(&self) {}

    /// Whether the keeper should go on; asked before each of its fetches.
    fn is_wanted(&self) -> bool {
        true
    }

    /// When the other side wishes to be asked again after this failure, where it says so.
    fn pause(&self, _error: &Self::Error) -> Option<Duration> {
        None
    }
}

/// A fetched value, and how long its answer says that it is fresh.
pub(crate) struct Fresh<T> {
    pub(crate) value: Arc<T>,
    pub(crate) life: Option<Duration>,
}

/// A value with its times, on the clock's `elapsed`.
pub(crate) struct Held<T> {
    pub(crate) value: Arc<T>,
    pub(crate) fetched_at: Duration,
    pub(crate) refresh_at: Duration,
    pub(crate) fresh_until: Duration,
    /// Equals `fresh_until` until a fetch fails, then reaches as far as staleness is allowed.
    pub(crate) usable_until: Duration,
    pub(crate) stale_until: Duration,
}

impl<T> Held<T> {
    /// Whether it serves, or will, beyond its life.
    pub(crate) fn is_kept_past_its_life(&self) -> bool {
        self.usable_until > self.fresh_until
    }

    pub(super) fn usable_until(&self, usable_until: Duration) -> Self {
        Held { value: Arc::clone(&self.value), usable_until, ..*self }
    }
}

/// What asking for a look came to.
pub(crate) enum Look<E> {
    /// A fetch that ended well just now, or within the cool-down.
    Looked,
    /// None did; ask again after this time.
    Failed { error: Option<E>, retry_after: Duration },
}

/// How the fetches fare.
pub(crate) struct Status<E> {
    pub(crate) last_error: Option<E>,
    /// When the first of the failures since the last success was.
    pub(crate) failing_since: Option<UnixTime>,
}

/// A value kept fresh. Clones share it.
pub(crate) struct Refreshed<T, F: Fetch<T>>(Arc<Shared<T, F>>);

impl<T, F> Refreshed<T, F>
where
    T: Send + Sync + 'static,
    F: Fetch<T>,
{
    pub(crate) fn new(fetch: F, policy: RefreshPolicy, clock: Arc<dyn Clock>) -> Self {
        Refreshed(Arc::new(Shared::new(fetch, policy, clock)))
    }

    /// The value, where it may be used now. Takes no lock.
    pub(crate) fn usable(&self) -> Option<Arc<T>> {
        self.0.usable(self.0.clock.elapsed())
    }

    /// The value and its times, usable or not.
    pub(crate) fn held(&self) -> Option<Arc<Held<T>>> {
        self.0.held.load_full()
    }

    pub(crate) fn fetcher(&self) -> &F {
        &self.0.fetch
    }

    /// Starts a fetch in the background where the value is due and none runs; for values read by callers, not watched
    /// over by a keeper.
    pub(crate) fn refresh_if_due(&self) {
        let due = self.0.held.load().as_ref().is_some_and(|held| self.0.clock.elapsed() >= held.refresh_at);
        if due {
            self.0.fetch_unless_paused();
        }
    }

    /// The value, fetched where none is usable: joins a fetch under way, begins one unless the last failure is too
    /// recent, and waits at most the policy's `wait`. Those who waited for a value get it, however short its life.
    pub(crate) async fn get(&self) -> Result<Arc<T>, Look<F::Error>> {
        if let Some(value) = self.usable() {
            self.refresh_if_due();
            return Ok(value);
        }
        match self.0.board(None) {
            Ok(boarding) => {
                self.wait(boarding.landing, self.0.policy.max_wait).await.or_else(|look| self.usable().ok_or(look))
            }
            Err(refused) => self.usable().ok_or(refused),
        }
    }

    /// Looks for what is wanted, past stores on the way, at most once a cool-down whoever asks.
    pub(crate) async fn look(&self, reason: RefreshReason) -> Look<F::Error> {
        let began = Instant::now();
        let boarding = match self.0.board(Some(reason)) {
            Ok(boarding) => boarding,
            Err(settled) => return settled,
        };
        if let Err(failed) = self.wait(boarding.landing, self.0.policy.max_wait).await {
            return failed;
        }
        if !boarding.began_before_us {
            return Look::Looked;
        }
        // What that flight brought may be older than the wish that made us look.
        let left = self.0.policy.max_wait.saturating_sub(began.elapsed());
        match self.0.board(Some(reason)) {
            Ok(boarding) => self.wait(boarding.landing, left).await.map_or_else(|failed| failed, |_| Look::Looked),
            Err(settled) => settled,
        }
    }

    /// Drops the value if it is still this one, so that a newer one is never lost (compare and invalidate).
    pub(crate) fn invalidate(&self, value: &Arc<T>) {
        self.0.invalidate(value);
    }

    /// Keeps the value fresh without callers, until this cell is dropped.
    pub(crate) fn keep_fresh(&self) {
        self.0.keep_fresh();
    }

    /// Takes a value that was fetched `age` ago, in another life of this service, unless one is held already.
    pub(crate) fn preload(&self, value: Arc<T>, life: Duration, age: Duration) {
        self.0.preload(value, life, age);
    }

    pub(crate) fn status(&self) -> Status<F::Error> {
        self.0.status()
    }

    async fn wait(&self, mut landing: Landing<T, F::Error>, limit: Duration) -> Result<Arc<T>, Look<F::Error>> {
        let landed = rt::within(limit, landing.wait_for(Option::is_some)).await;
        let outcome = match landed {
            Some(Ok(outcome)) => outcome.clone(),
            Some(Err(_)) => Some(Err(self.0.fetch.timed_out())), // its runtime has ended
            None => None,
        };
        match outcome {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => Err(Look::Failed { error: Some(error), retry_after: self.0.retry_after() }),
            None => {
                self.0.bridge();
                Err(Look::Failed { error: None, retry_after: self.0.policy.initial_backoff })
            }
        }
    }
}

impl<T, F: Fetch<T>> Clone for Refreshed<T, F> {
    fn clone(&self) -> Self {
        Refreshed(Arc::clone(&self.0))
    }
}

impl<T, F: Fetch<T>> fmt::Debug for Refreshed<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.0.held.load();
        f.debug_struct("Refreshed")
            .field("fetched_at", &held.as_ref().map(|held| held.fetched_at))
            .finish_non_exhaustive()
    }
}
