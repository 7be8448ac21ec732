//! The state that readers, fetches and the refresh task share.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use countersign_core::clock::{Clock, UnixTime};
use tokio::sync::Semaphore;

use super::cool_down::CoolDown;
use super::fetch::{CachedValue, Fetch, Fetched, Status};
use super::missed::{Missed, Request};
use super::policy::RefreshPolicy;
use super::single_flight::{Leader, SingleFlight, Waiter};
use crate::rt::{self, Mutex, MutexGuard, Task};

/// A fetch that exceeds its time limit by this much has lost its runtime: its timer would have ended it.
const OVERDUE: Duration = Duration::from_secs(5);

/// The number of callers that wait for the end of the cool-down; further ones get an answer at once.
const MAX_WAITING: usize = 256;

/// The result that all callers of one fetch share.
pub(super) type SharedResult<T, E> = Result<Arc<T>, E>;

/// A caller of a fetch of `F`.
pub(super) type FetchWaiter<T, F> = Waiter<SharedResult<T, <F as Fetch<T>>::Error>>;

/// The cached value is read without the lock and written under it.
pub(super) struct Inner<T, F: Fetch<T>> {
    pub(super) cached: ArcSwapOption<CachedValue<T>>,
    state: Mutex<State<T, F::Error>>,
    /// The places of callers that wait for the end of the cool-down.
    waiting: Semaphore,
    pub(super) fetch: F,
    pub(super) policy: RefreshPolicy,
    pub(super) clock: Arc<dyn Clock>,
}

pub(super) struct State<T, E> {
    pub(super) single_flight: SingleFlight<SharedResult<T, E>>,
    pub(super) cool_down: CoolDown,
    pub(super) missed: Missed,
    /// The time at which the clock stood still during a wait, as it may in tests: until it runs, waits are in vain.
    stood_still_at: Option<Duration>,
    pub(super) refresh_task: Option<TaskHandle>,
    /// The number of refresh tasks started, which identifies the latest.
    pub(super) refresh_tasks: u64,
    pub(super) last_error: Option<E>,
    failing_since: Option<UnixTime>,
}

impl<T, E: Clone> State<T, E> {
    /// Returns whether the fetch in progress answers `request`.
    pub(super) fn is_answered_by_fetch_in_progress(&self, request: Request) -> bool {
        let latest = self.single_flight.started();
        latest > request.fetches_before && latest == self.missed.last_start()
    }
}

/// A refresh task, as the state knows it.
pub(super) struct TaskHandle {
    pub(super) id: u64,
    pub(super) task: Option<Task>,
}

impl TaskHandle {
    /// Stops the task at its next wait.
    pub(super) fn shutdown(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl<T, F> Inner<T, F>
where
    T: Send + Sync + 'static,
    F: Fetch<T>,
{
    pub(super) fn new(fetch: F, policy: RefreshPolicy, clock: Arc<dyn Clock>) -> Self {
        let state = State {
            single_flight: SingleFlight::new(),
            cool_down: CoolDown::new(policy.min_cool_down, policy.cool_down),
            missed: Missed::default(),
            stood_still_at: None,
            refresh_task: None,
            refresh_tasks: 0,
            last_error: None,
            failing_since: None,
        };
        Inner {
            cached: ArcSwapOption::empty(),
            state: Mutex::new(state),
            waiting: Semaphore::new(MAX_WAITING),
            fetch,
            policy,
            clock,
        }
    }

    pub(super) fn usable(&self, elapsed: Duration) -> Option<Arc<T>> {
        let cached = self.cached.load();
        cached.as_ref().filter(|cached| elapsed < cached.usable_until).map(|cached| Arc::clone(&cached.value))
    }

    /// Joins the fetch in progress, unless its runtime has stopped.
    pub(super) fn join(&self, state: &State<T, F::Error>) -> Option<FetchWaiter<T, F>> {
        state.single_flight.join(self.policy.timeout.saturating_add(OVERDUE))
    }

    pub(super) fn is_fetching(&self) -> bool {
        self.join(&self.lock()).is_some()
    }

    /// The time of the next fetch that is due without callers.
    pub(super) fn next_fetch(&self, state: &State<T, F::Error>) -> Duration {
        let due = self.cached.load().as_ref().map_or(Duration::ZERO, |cached| cached.refresh_at);
        due.max(state.cool_down.next_attempt())
    }

    /// Records the result of a fetch that started at `started`, and returns what its waiters receive.
    pub(super) fn finish(
        &self,
        leader: &Leader<SharedResult<T, F::Error>>,
        result: Result<Fetched<T>, F::Error>,
        started: Duration,
    ) -> SharedResult<T, F::Error> {
        let mut state = self.lock();
        if !state.single_flight.finish(leader) {
            return result.map(|fetched| fetched.value); // replaced as overdue: the later fetch decides
        }
        match result {
            Ok(fetched) => {
                let value = Arc::clone(&fetched.value);
                let current = self.cached.load_full();
                let brought_news = current.is_some_and(|current| self.fetch.brings_news(&current.value, &value));
                self.store_fetched(fetched, started);
                state.cool_down.succeeded(started, brought_news);
                state.missed.succeeded(leader.id());
                (state.last_error, state.failing_since) = (None, None);
                Ok(value)
            }
            Err(error) => {
                let elapsed = self.clock.elapsed();
                state.missed.failed();
                let retry_after = self.fetch.retry_after(&error).unwrap_or(Duration::ZERO).min(self.policy.max_backoff);
                state.cool_down.failed(elapsed, retry_after, |failures| self.policy.backoff(failures));
                state.failing_since.get_or_insert_with(|| self.clock.now());
                state.last_error = Some(error.clone());
                let withdrawn_at = self.fetch.withdrawn_after(&error).map(|after| elapsed.saturating_add(after));
                self.store_failed(withdrawn_at, elapsed);
                Err(error)
            }
        }
    }

    /// Ends the fetch of `leader` without a result. The next one may start at once.
    pub(super) fn cancel(&self, leader: &Leader<SharedResult<T, F::Error>>) {
        let mut state = self.lock();
        if state.single_flight.finish(leader) {
            state.missed.failed();
            state.cool_down.cancelled();
        }
    }

    /// A caller's request, for `key` if it misses one.
    pub(super) fn request(&self, key: Option<u64>) -> Request {
        let mut state = self.lock();
        let is_repeated = key.is_some_and(|key| state.missed.record(key));
        Request { is_repeated, fetches_before: state.single_flight.started() }
    }

    /// Returns whether a fetch that answers `request` has succeeded.
    pub(super) fn is_answered(&self, request: Request) -> bool {
        self.lock().missed.last_success() > request.fetches_before
    }

    /// Waits for the end of the cool-down. Returns false at once if too many callers wait, or if the clock stands still.
    pub(super) async fn wait_for_cool_down(&self, pause: Duration) -> bool {
        let Ok(_place) = self.waiting.try_acquire() else { return false };
        let elapsed = self.clock.elapsed();
        if self.lock().stood_still_at == Some(elapsed) {
            return false;
        }
        rt::sleep(pause).await;
        if self.clock.elapsed() == elapsed {
            self.lock().stood_still_at = Some(elapsed);
        }
        true
    }

    /// After a failure, the current value stays usable as long as staleness is allowed, but not past `withdrawn_at`. A
    /// withdrawn value is due at once.
    fn store_failed(&self, withdrawn_at: Option<Duration>, elapsed: Duration) {
        let Some(cached) = self.cached.load_full() else { return };
        let stale_until = cached.stale_until.min(withdrawn_at.unwrap_or(Duration::MAX));
        let is_withdrawn = cached.is_withdrawn || withdrawn_at.is_some();
        if (cached.usable_until, cached.is_withdrawn) != (stale_until, is_withdrawn) {
            let (value, usable_until) = (Arc::clone(&cached.value), stale_until);
            let refresh_at = if is_withdrawn { cached.refresh_at.min(elapsed) } else { cached.refresh_at };
            self.store(CachedValue { value, usable_until, stale_until, is_withdrawn, refresh_at, ..*cached });
        }
    }

    /// Keeps an expired value usable while the fetch that a caller waited for in vain is still running.
    pub(super) fn extend_while_fetching(&self) {
        let _state = self.lock();
        let Some(cached) = self.cached.load_full() else { return };
        let elapsed = self.clock.elapsed();
        let until = cached.stale_until.min(elapsed.saturating_add(self.policy.timeout));
        if cached.usable_until <= elapsed && elapsed < until {
            self.store(cached.with_usable_until(until));
        }
    }

    pub(super) fn retry_after(&self) -> Duration {
        let elapsed = self.clock.elapsed();
        let not_before = self.lock().cool_down.not_before(self.usable(elapsed).is_some());
        not_before.saturating_sub(elapsed).max(self.policy.initial_backoff)
    }

    pub(super) fn invalidate(&self, value: &Arc<T>) {
        let _state = self.lock();
        if self.cached.load().as_ref().is_some_and(|cached| Arc::ptr_eq(&cached.value, value)) {
            self.cached.store(None);
        }
    }

    pub(super) fn clear(&self) {
        let _state = self.lock();
        self.cached.store(None);
    }

    pub(super) fn preload(&self, value: Arc<T>, lifetime: Duration, age: Duration) {
        let _state = self.lock();
        if self.cached.load().is_some() {
            return;
        }
        let elapsed = self.clock.elapsed();
        let lifetime = self.policy.lifetime(Some(lifetime));
        let fresh_until = elapsed.saturating_add(lifetime.saturating_sub(age));
        self.store(CachedValue {
            value,
            fetched_at: elapsed.saturating_sub(age),
            refresh_at: elapsed.saturating_add(self.policy.refresh_restored_after(lifetime)).min(fresh_until),
            fresh_until,
            usable_until: fresh_until,
            stale_until: elapsed.saturating_add(lifetime.saturating_add(self.policy.stale_for).saturating_sub(age)),
            is_withdrawn: false,
        });
    }

    pub(super) fn status(&self) -> Status<F::Error> {
        let state = self.lock();
        Status { last_error: state.last_error.clone(), failing_since: state.failing_since }
    }

    fn store_fetched(&self, fetched: Fetched<T>, started: Duration) {
        let lifetime = self.policy.lifetime(fetched.lifetime);
        let fresh_until = started.saturating_add(lifetime);
        self.store(CachedValue {
            value: fetched.value,
            fetched_at: started,
            refresh_at: started.saturating_add(self.policy.refresh_after(lifetime)),
            fresh_until,
            usable_until: fresh_until,
            stale_until: fresh_until.saturating_add(self.policy.stale_for),
            is_withdrawn: false,
        });
    }

    /// Called under the lock only, so that a slow writer cannot replace a newer value with an older one.
    fn store(&self, cached: CachedValue<T>) {
        self.fetch.on_change(&cached);
        self.cached.store(Some(Arc::new(cached)));
    }
}

impl<T, F: Fetch<T>> Inner<T, F> {
    pub(super) fn lock(&self) -> MutexGuard<'_, State<T, F::Error>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, F: Fetch<T>> Drop for Inner<T, F> {
    fn drop(&mut self) {
        if let Some(task) = &self.state.get_mut().unwrap_or_else(PoisonError::into_inner).refresh_task {
            task.shutdown();
        }
    }
}
