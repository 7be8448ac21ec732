//! The single flight: at most one fetch under way, whoever asks, whoever leaves, whatever ends.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use countersign_core::clock::{Clock, UnixTime};
use countersign_core::key::RefreshReason;
use tokio::sync::watch;

use super::RefreshPolicy;
use super::keeper::Post;
use super::refreshed::{Fetch, Fresh, Held, Look, Status};
use crate::rt::{self, Mutex, MutexGuard};

/// Where the outcome of a flight is told to all who wait.
pub(super) type Landing<T, E> = watch::Receiver<Option<Result<Arc<T>, E>>>;

/// Past its time limit by so much, a flight's runtime is taken for stopped: its timer would have ended it.
const OVERDUE: Duration = Duration::from_secs(5);

/// What readers, flights and the keeper share. `held` is read without the lock and written under it.
pub(super) struct Shared<T, F: Fetch<T>> {
    pub(super) held: ArcSwapOption<Held<T>>,
    pub(super) state: Mutex<State<T, F::Error>>,
    pub(super) fetch: F,
    pub(super) policy: RefreshPolicy,
    pub(super) clock: Arc<dyn Clock>,
}

pub(super) struct State<T, E> {
    pub(super) flight: Option<Flight<T, E>>,
    /// Counts flights and keepers, to tell the present one from one given up.
    pub(super) numbers: u64,
    pub(super) keeper: Option<Post>,
    last_error: Option<E>,
    failing_since: Option<UnixTime>,
    failures: u32,
    /// No fetch on behalf of callers before this moment, as long as something is usable.
    next_look: Duration,
    /// No fetch after a failure before this moment.
    pub(super) next_try: Duration,
}

pub(super) struct Flight<T, E> {
    number: u64,
    began: Instant,
    forced: bool,
    landing: Landing<T, E>,
}

/// A caller's place on a flight.
pub(super) struct Boarding<T, E> {
    pub(super) landing: Landing<T, E>,
    /// It went for a refresh of what was usable, before the caller knew that something is missing.
    pub(super) began_before_us: bool,
}

impl<T, F> Shared<T, F>
where
    T: Send + Sync + 'static,
    F: Fetch<T>,
{
    pub(super) fn new(fetch: F, policy: RefreshPolicy, clock: Arc<dyn Clock>) -> Self {
        let state = State {
            flight: None,
            numbers: 0,
            keeper: None,
            last_error: None,
            failing_since: None,
            failures: 0,
            next_look: Duration::ZERO,
            next_try: Duration::ZERO,
        };
        Shared { held: ArcSwapOption::empty(), state: Mutex::new(state), fetch, policy, clock }
    }

    pub(super) fn usable(&self, elapsed: Duration) -> Option<Arc<T>> {
        self.held.load().as_ref().filter(|held| elapsed < held.usable_until).map(|held| Arc::clone(&held.value))
    }

    /// Joins the flight under way, or begins one for a caller where the pauses allow it. Else says why not.
    /// With `look`, it is fetched past stores on the way.
    pub(super) fn board(
        self: &Arc<Self>,
        look: Option<RefreshReason>,
    ) -> Result<Boarding<T, F::Error>, Look<F::Error>> {
        let elapsed = self.clock.elapsed();
        let mut state = self.lock();
        let is_usable = self.usable(elapsed).is_some();
        let wants_newer = look == Some(RefreshReason::MissingKey);
        if let Some(landing) = self.under_way(&state) {
            let is_forced = state.flight.as_ref().is_some_and(|flight| flight.forced);
            return Ok(Boarding { landing, began_before_us: wants_newer && is_usable && !is_forced });
        }
        if is_usable && !wants_newer {
            return Err(Look::Looked); // it landed between the caller's glance and the lock
        }
        let not_before = if is_usable { state.next_look } else { state.next_try };
        if elapsed < not_before {
            let fetched_at = self.held.load().as_ref().map(|held| held.fetched_at);
            let knows = is_usable
                && state.last_error.is_none()
                && fetched_at.is_some_and(|at| elapsed < at.saturating_add(self.policy.cool_down));
            let refused = if knows {
                Look::Looked
            } else {
                Look::Failed { error: state.last_error.clone(), retry_after: not_before.saturating_sub(elapsed) }
            };
            drop(state);
            self.fetch.suppressed();
            return Err(refused);
        }
        // Recorded before anything is awaited: a failed look cools down like any other. A cold fetch is no look, so that a
        // key which is new right after the start works on the next request.
        if is_usable {
            state.next_look = elapsed.saturating_add(self.policy.cool_down);
        }
        let (landing, pilot) = self.take_off(&mut state, look.is_some());
        drop(state);
        pilot.depart();
        Ok(Boarding { landing, began_before_us: false })
    }

    /// Joins the flight under way or begins one, for the keeper; `None` where others have fetched since it last looked.
    pub(super) fn join_or_take_off(self: &Arc<Self>) -> Option<Landing<T, F::Error>> {
        let mut state = self.lock();
        if let Some(landing) = self.under_way(&state) {
            return Some(landing);
        }
        if self.clock.elapsed() < self.next_fetch(&state) {
            return None;
        }
        let (landing, pilot) = self.take_off(&mut state, false);
        drop(state);
        pilot.depart();
        Some(landing)
    }

    /// Begins a flight in the background, unless one is under way or the last failure is too recent.
    pub(super) fn fetch_unless_paused(self: &Arc<Self>) {
        let mut state = self.lock();
        if self.under_way(&state).is_none() && self.clock.elapsed() >= state.next_try {
            let (_, pilot) = self.take_off(&mut state, false);
            drop(state);
            pilot.depart();
        }
    }

    /// The caller waited in vain, though the fetch may yet end well: what is over serves until that fetch has ended.
    pub(super) fn bridge(&self) {
        let _state = self.lock();
        let Some(held) = self.held.load_full() else { return };
        let elapsed = self.clock.elapsed();
        let until = held.stale_until.min(elapsed.saturating_add(self.policy.timeout));
        if held.usable_until <= elapsed && elapsed < until {
            self.settle(held.usable_until(until));
        }
    }

    pub(super) fn retry_after(&self) -> Duration {
        let elapsed = self.clock.elapsed();
        let state = self.lock();
        let next = if self.usable(elapsed).is_some() { state.next_look } else { state.next_try };
        next.saturating_sub(elapsed).max(self.policy.initial_backoff)
    }

    pub(super) fn invalidate(&self, value: &Arc<T>) {
        let _state = self.lock();
        if self.held.load().as_ref().is_some_and(|held| Arc::ptr_eq(&held.value, value)) {
            self.held.store(None);
        }
    }

    pub(super) fn preload(&self, value: Arc<T>, life: Duration, age: Duration) {
        let _state = self.lock();
        if self.held.load().is_some() {
            return;
        }
        let elapsed = self.clock.elapsed();
        let life = self.policy.lifetime(Some(life));
        let fresh_until = elapsed.saturating_add(life.saturating_sub(age));
        let stale_until = elapsed.saturating_add(life.saturating_add(self.policy.stale_for).saturating_sub(age));
        let fetched_at = elapsed.saturating_sub(age);
        let usable_until = fresh_until;
        self.settle(Held { value, fetched_at, refresh_at: elapsed, fresh_until, usable_until, stale_until });
    }

    pub(super) fn status(&self) -> Status<F::Error> {
        let state = self.lock();
        Status { last_error: state.last_error.clone(), failing_since: state.failing_since }
    }

    /// When the keeper should fetch next.
    pub(super) fn next_fetch(&self, state: &State<T, F::Error>) -> Duration {
        let due = self.held.load().as_ref().map_or(Duration::ZERO, |held| held.refresh_at);
        due.max(state.next_try)
    }

    pub(super) fn under_way(&self, state: &State<T, F::Error>) -> Option<Landing<T, F::Error>> {
        let limit = self.policy.timeout.saturating_add(OVERDUE);
        state.flight.as_ref().filter(|flight| flight.began.elapsed() < limit).map(|flight| flight.landing.clone())
    }

    /// Begins the one flight. It belongs to nobody: callers come and go, its own time limit ends it.
    #[must_use]
    fn take_off(self: &Arc<Self>, state: &mut State<T, F::Error>, forced: bool) -> (Landing<T, F::Error>, Pilot<T, F>) {
        let (outcome, landing) = watch::channel(None);
        state.numbers += 1;
        let number = state.numbers;
        state.flight = Some(Flight { number, began: Instant::now(), forced, landing: landing.clone() });
        let started = self.clock.elapsed();
        (landing, Pilot { shared: Arc::clone(self), number, started, forced, outcome, has_landed: false })
    }

    /// Takes in what flight `number` brought; ages count from its start.
    fn land(&self, number: u64, outcome: Result<Fresh<T>, F::Error>, started: Duration) -> Result<Arc<T>, F::Error> {
        let mut state = self.lock();
        if state.flight.as_ref().is_none_or(|flight| flight.number != number) {
            return outcome.map(|fresh| fresh.value); // given up for lost: a later flight's word holds
        }
        state.flight = None;
        match outcome {
            Ok(fresh) => {
                let life = self.policy.lifetime(fresh.life);
                let value = Arc::clone(&fresh.value);
                let fresh_until = started.saturating_add(life);
                self.settle(Held {
                    value: fresh.value,
                    fetched_at: started,
                    refresh_at: started.saturating_add(self.policy.refresh_after(life)),
                    fresh_until,
                    usable_until: fresh_until,
                    stale_until: fresh_until.saturating_add(self.policy.stale_for),
                });
                state.last_error = None;
                state.failing_since = None;
                state.failures = 0;
                state.next_try = Duration::ZERO;
                state.next_look = state.next_look.min(started.saturating_add(self.policy.cool_down));
                Ok(value)
            }
            Err(error) => {
                let elapsed = self.clock.elapsed();
                let asked = self.fetch.pause(&error).unwrap_or(Duration::ZERO).min(self.policy.max_backoff);
                state.failures = state.failures.saturating_add(1);
                state.next_try = elapsed.saturating_add(asked.max(self.policy.backoff(state.failures)));
                state.next_look = state.next_look.max(elapsed.saturating_add(asked));
                state.failing_since.get_or_insert_with(|| self.clock.now());
                state.last_error = Some(error.clone());
                // The endpoint fails: what is held serves on, as long as staleness is allowed.
                if let Some(held) = self.held.load_full().filter(|held| held.usable_until < held.stale_until) {
                    self.settle(held.usable_until(held.stale_until));
                }
                Err(error)
            }
        }
    }

    /// Only under the lock: a slower writer must not put an older value in place of a newer.
    fn settle(&self, held: Held<T>) {
        self.fetch.settled(&held);
        self.held.store(Some(Arc::new(held)));
    }
}

impl<T, F: Fetch<T>> Shared<T, F> {
    pub(super) fn lock(&self) -> MutexGuard<'_, State<T, F::Error>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, F: Fetch<T>> Drop for Shared<T, F> {
    fn drop(&mut self) {
        if let Some(keeper) = &self.state.get_mut().unwrap_or_else(PoisonError::into_inner).keeper {
            keeper.dismiss();
        }
    }
}

/// Flies one fetch. However it ends, even unpolled with its runtime, the flight ends with it.
struct Pilot<T, F>
where
    T: Send + Sync + 'static,
    F: Fetch<T>,
{
    shared: Arc<Shared<T, F>>,
    number: u64,
    started: Duration,
    forced: bool,
    outcome: watch::Sender<Option<Result<Arc<T>, F::Error>>>,
    has_landed: bool,
}

impl<T, F> Pilot<T, F>
where
    T: Send + Sync + 'static,
    F: Fetch<T>,
{
    /// Never under the lock: a runtime that is ending drops the task here, and dropping it lands the flight.
    fn depart(self) {
        let _ = rt::spawn(self.fly());
    }

    async fn fly(mut self) {
        let held = self.shared.held.load_full().map(|held| Arc::clone(&held.value));
        let fetch = self.shared.fetch.fetch(held, self.forced);
        let fetched = rt::within(self.shared.policy.timeout, fetch).await;
        self.land(fetched.unwrap_or_else(|| Err(self.shared.fetch.timed_out())));
    }

    fn land(&mut self, outcome: Result<Fresh<T>, F::Error>) {
        self.has_landed = true;
        self.shared.fetch.landed(outcome.as_ref().err(), self.forced, self.shared.held.load().as_deref());
        let outcome = self.shared.land(self.number, outcome, self.started);
        self.outcome.send_replace(Some(outcome));
    }
}

impl<T, F> Drop for Pilot<T, F>
where
    T: Send + Sync + 'static,
    F: Fetch<T>,
{
    fn drop(&mut self) {
        if !self.has_landed {
            self.land(Err(self.shared.fetch.timed_out()));
        }
    }
}
