//! Starts fetches, each in a task of its own, when the cool-down and the back-off allow it.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::key::RefreshReason;

use super::fetch::{Fetch, Fetched, Outcome};
use super::missed::Request;
use super::single_flight::{Leader, Waiter};
use super::state::{FetchWaiter, Inner, SharedResult, State};
use crate::rt;

/// A caller that waits for a fetch.
pub(super) struct Joined<T, E> {
    pub(super) waiter: Waiter<SharedResult<T, E>>,
    /// The fetch began after the caller's request, and bypasses the caches of intermediaries.
    pub(super) is_answer: bool,
}

/// The outcome for a caller whose request may not cause a fetch yet.
pub(super) struct Suppressed<E> {
    pub(super) outcome: Outcome<E>,
    /// The time until the request may cause one.
    pub(super) pause: Duration,
}

impl<E> Suppressed<E> {
    /// An outcome that waiting does not change.
    pub(super) fn finally(outcome: Outcome<E>) -> Self {
        Suppressed { outcome, pause: Duration::MAX }
    }
}

impl<T, F> Inner<T, F>
where
    T: Send + Sync + 'static,
    F: Fetch<T>,
{
    /// Joins the fetch in progress for a caller, or starts one if the cool-down allows it. With a `reason`, the new fetch
    /// bypasses the caches of intermediaries.
    pub(super) fn join_or_start(
        self: &Arc<Self>,
        reason: Option<RefreshReason>,
        request: Request,
    ) -> Result<Joined<T, F::Error>, Suppressed<F::Error>> {
        let elapsed = self.clock.elapsed();
        let mut state = self.lock();
        let is_usable = self.usable(elapsed).is_some();
        let needs_newer = reason == Some(RefreshReason::MissingKey);
        if let Some(waiter) = self.join(&state) {
            return Ok(Joined { waiter, is_answer: state.is_answered_by_fetch_in_progress(request) });
        }
        let not_before = match is_usable && request.is_repeated {
            true => state.cool_down.not_before_for_repeated(),
            false => state.cool_down.not_before(is_usable),
        };
        if is_usable && !needs_newer {
            // Stored between the caller's read and the lock, by a fetch that began before.
            let pause = not_before.saturating_sub(elapsed);
            return Err(Suppressed { outcome: Outcome::Deferred { retry_after: pause }, pause });
        }
        let mut pause = not_before.saturating_sub(elapsed);
        if pause.is_zero() {
            pause = self.fetch.admit(is_usable, state.cool_down.is_short(), elapsed).err().unwrap_or_default();
        }
        if !pause.is_zero() {
            let outcome = Self::suppressed(&state, is_usable, pause);
            drop(state);
            self.fetch.on_suppressed();
            return Err(Suppressed { outcome, pause });
        }
        // A first fetch starts no cool-down: a key published right after the start is found on the next request.
        if is_usable {
            state.cool_down.start(elapsed);
        }
        let (task, waiter) = self.start(&mut state, reason.is_some());
        drop(state);
        task.spawn();
        Ok(Joined { waiter, is_answer: true })
    }

    /// Joins or starts a fetch for the refresh task; `None` if another fetch has made it unnecessary.
    pub(super) fn join_or_start_if_due(self: &Arc<Self>) -> Option<FetchWaiter<T, F>> {
        let mut state = self.lock();
        if let Some(waiter) = self.join(&state) {
            return Some(waiter);
        }
        if self.clock.elapsed() < self.next_fetch(&state) {
            return None;
        }
        let (task, waiter) = self.start(&mut state, false);
        drop(state);
        task.spawn();
        Some(waiter)
    }

    /// Starts a fetch in the background if `admit` permits it, unless one is in progress or the last failure is too recent.
    pub(super) fn start_in_background(self: &Arc<Self>, admit: impl FnOnce() -> bool) {
        let mut state = self.lock();
        if self.join(&state).is_none() && self.clock.elapsed() >= state.cool_down.next_attempt() && admit() {
            let (task, _) = self.start(&mut state, false);
            drop(state);
            task.spawn();
        }
    }

    /// The outcome for a caller whose request may not cause a fetch yet.
    fn suppressed(state: &State<T, F::Error>, is_usable: bool, retry_after: Duration) -> Outcome<F::Error> {
        if is_usable && state.last_error.is_none() {
            return Outcome::Deferred { retry_after };
        }
        Outcome::Failed { error: state.last_error.clone(), retry_after }
    }

    #[must_use]
    fn start(self: &Arc<Self>, state: &mut State<T, F::Error>, forced: bool) -> (FetchTask<T, F>, FetchWaiter<T, F>) {
        let (leader, waiter) = state.single_flight.start();
        if forced {
            state.missed.start(leader.id());
        }
        let started = self.clock.elapsed();
        (FetchTask { inner: Arc::clone(self), leader, started, forced, is_finished: false }, waiter)
    }
}

/// Runs one fetch, as the leader of its waiters. Dropping it, even unpolled, ends the fetch.
///
/// It belongs to no caller: only its own time limit and the end of its runtime cancel it. The latter says nothing about the
/// other side, so it causes no pause, and waiters on other runtimes start another fetch.
struct FetchTask<T, F>
where
    T: Send + Sync + 'static,
    F: Fetch<T>,
{
    inner: Arc<Inner<T, F>>,
    leader: Leader<SharedResult<T, F::Error>>,
    started: Duration,
    forced: bool,
    is_finished: bool,
}

impl<T, F> FetchTask<T, F>
where
    T: Send + Sync + 'static,
    F: Fetch<T>,
{
    /// Must not be called under the lock: a runtime in shutdown drops the task here, and dropping it ends the fetch.
    fn spawn(self) {
        let _ = rt::spawn(self.run());
    }

    async fn run(mut self) {
        let current = self.inner.cached.load_full().map(|cached| Arc::clone(&cached.value));
        let fetch = self.inner.fetch.fetch(current, self.forced);
        let result = rt::within(self.inner.policy.timeout, fetch).await;
        self.finish(result.unwrap_or_else(|| Err(self.inner.fetch.timeout_error())));
    }

    fn finish(&mut self, result: Result<Fetched<T>, F::Error>) {
        self.is_finished = true;
        self.inner.fetch.on_finish(result.as_ref().err(), self.forced, self.inner.cached.load().as_deref());
        let result = self.inner.finish(&self.leader, result, self.started);
        self.inner.fetch.on_recorded();
        self.leader.publish(result);
    }
}

impl<T, F> Drop for FetchTask<T, F>
where
    T: Send + Sync + 'static,
    F: Fetch<T>,
{
    fn drop(&mut self) {
        let error = || self.inner.fetch.timeout_error();
        match self.is_finished {
            true => {}
            false if std::thread::panicking() => self.finish(Err(error())),
            false => {
                self.inner.fetch.on_finish(Some(&error()), self.forced, self.inner.cached.load().as_deref());
                self.inner.cancel(&self.leader);
            }
        }
    }
}
