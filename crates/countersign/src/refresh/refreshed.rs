//! The cell and its single flight.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use countersign_core::clock::Clock;
use tokio::sync::watch;

use super::RefreshPolicy;

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

    /// Called whenever what is held, or how long it may be used, has changed.
    fn settled(&self, _held: &Held<T>) {}

    /// Whether this failure is worth trying again soon.
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
}

/// What asking for a look came to.
pub(crate) enum Look<E> {
    /// A fetch that ended well just now, or within the cool-down.
    Looked,
    /// None did; ask again after this time.
    Failed { error: Option<E>, retry_after: Duration },
}

/// A value kept fresh. Clones share it.
pub(crate) struct Refreshed<T, F: Fetch<T>>(Arc<Shared<T, F>>);

struct Shared<T, F: Fetch<T>> {
    held: ArcSwapOption<Held<T>>,
    state: Mutex<State<T, F::Error>>,
    fetch: F,
    policy: RefreshPolicy,
    clock: Arc<dyn Clock>,
}

struct State<T, E> {
    flight: Option<Flight<T, E>>,
    last_error: Option<E>,
    failures: u32,
    /// No fetch on behalf of callers before this moment.
    next_look: Duration,
    /// No fetch after a failure before this moment.
    next_try: Duration,
    keeper_runs: bool,
}

impl<T, F> Refreshed<T, F>
where
    T: Send + Sync + 'static,
    F: Fetch<T>,
{
    pub(crate) fn new(fetch: F, policy: RefreshPolicy, clock: Arc<dyn Clock>) -> Self {
        let state = State {
            flight: None,
            last_error: None,
            failures: 0,
            next_look: Duration::ZERO,
            next_try: Duration::ZERO,
            keeper_runs: false,
        };
        Refreshed(Arc::new(Shared { held: ArcSwapOption::empty(), state: Mutex::new(state), fetch, policy, clock }))
    }

    /// The value, where it may be used now. Takes no lock.
    pub(crate) fn usable(&self) -> Option<Arc<T>> {
        let held = self.0.held.load();
        let elapsed = self.0.clock.elapsed();
        held.as_ref().filter(|held| elapsed < held.usable_until).map(|held| Arc::clone(&held.value))
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
        let elapsed = self.0.clock.elapsed();
        let due = self.0.held.load().as_ref().is_some_and(|held| elapsed >= held.refresh_at);
        if due {
            let mut state = self.0.lock();
            if state.flight.is_none() && elapsed >= state.next_try {
                let _ = self.0.take_off(&mut state, false);
            }
        }
    }

    /// The value, fetched where none is usable: joins a fetch under way, begins one unless the last failure is too
    /// recent, and waits at most the policy's `wait`. Those who waited for a value get it, however short its life.
    pub(crate) async fn get(&self) -> Result<Arc<T>, Look<F::Error>> {
        if let Some(value) = self.usable() {
            self.refresh_if_due();
            return Ok(value);
        }
        match self.flight_or_refusal(false) {
            Ok(flight) => self.await_flight(flight).await.or_else(|look| self.usable().ok_or(look)),
            Err(refused) => self.usable().ok_or(refused),
        }
    }

    /// Looks for a newer value than the one held, at most once a cool-down whoever asks.
    pub(crate) async fn look(&self) -> Look<F::Error> {
        match self.flight_or_refusal(true) {
            Ok(flight) => self.await_flight(flight).await.map_or_else(|failed| failed, |_| Look::Looked),
            Err(settled) => settled,
        }
    }

    /// Drops the value if it is still this one, so that a newer one is never lost (compare and invalidate).
    pub(crate) fn invalidate(&self, value: &Arc<T>) {
        let held = self.0.held.load_full();
        if held.as_ref().is_some_and(|held| Arc::ptr_eq(&held.value, value)) {
            self.0.held.compare_and_swap(&held, None);
        }
    }

    /// Keeps the value fresh without callers, until this cell is dropped.
    pub(crate) fn keep_fresh(&self) {
        let mut state = self.0.lock();
        if !std::mem::replace(&mut state.keeper_runs, true) {
            let keeper = Keeper(Arc::downgrade(&self.0));
            tokio::spawn(keeper.run());
        }
    }

    fn flight_or_refusal(&self, looking: bool) -> Result<Flight<T, F::Error>, Look<F::Error>> {
        let elapsed = self.0.clock.elapsed();
        let nothing_usable = self.usable().is_none();
        let mut state = self.0.lock();
        if let Some(flight) = &state.flight {
            return Ok(flight.clone());
        }
        let not_before = if nothing_usable { state.next_try } else { state.next_look };
        if elapsed < not_before {
            let retry_after = not_before.saturating_sub(elapsed);
            return Err(match &state.last_error {
                None => Look::Looked,
                error => Look::Failed { error: error.clone(), retry_after },
            });
        }
        if looking && !nothing_usable {
            // Recorded before anything is awaited: a failed look cools down like any other.
            state.next_look = elapsed.saturating_add(self.0.policy.cool_down);
        }
        Ok(self.0.take_off(&mut state, looking))
    }

    async fn await_flight(&self, mut flight: Flight<T, F::Error>) -> Result<Arc<T>, Look<F::Error>> {
        let landed = tokio::time::timeout(self.0.policy.wait, flight.wait_for(Option::is_some)).await;
        let outcome = match landed {
            Ok(Ok(outcome)) => outcome.clone(),
            Ok(Err(_)) => Some(Err(self.0.fetch.timed_out())),
            Err(_) => {
                self.0.allow_stale();
                None
            }
        };
        match outcome {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => Err(Look::Failed { error: Some(error), retry_after: self.0.retry_after() }),
            None => Err(Look::Failed { error: None, retry_after: self.0.policy.first_pause }),
        }
    }
}

type Flight<T, E> = watch::Receiver<Option<Result<Arc<T>, E>>>;

impl<T, F> Shared<T, F>
where
    T: Send + Sync + 'static,
    F: Fetch<T>,
{
    fn lock(&self) -> MutexGuard<'_, State<T, F::Error>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn retry_after(&self) -> Duration {
        let elapsed = self.clock.elapsed();
        self.lock().next_try.saturating_sub(elapsed).max(self.policy.first_pause)
    }

    /// Begins the one fetch. It belongs to nobody: callers come and go, its own time limit ends it.
    fn take_off(self: &Arc<Self>, state: &mut State<T, F::Error>, forced: bool) -> Flight<T, F::Error> {
        let (landing, flight) = watch::channel(None);
        state.flight = Some(flight.clone());
        let shared = Arc::clone(self);
        let held = self.held.load_full().map(|held| Arc::clone(&held.value));
        let started = self.clock.elapsed();
        tokio::spawn(async move {
            let clear = ClearFlight(&shared); // also where the fetch panics
            let fetched = tokio::time::timeout(shared.policy.timeout, shared.fetch.fetch(held, forced)).await;
            let outcome = fetched.unwrap_or_else(|_| Err(shared.fetch.timed_out()));
            let outcome = shared.land(outcome, started);
            drop(clear);
            landing.send_replace(Some(outcome));
        });
        flight
    }

    /// Takes in what a fetch brought; ages count from its start.
    fn land(&self, outcome: Result<Fresh<T>, F::Error>, started: Duration) -> Result<Arc<T>, F::Error> {
        match outcome {
            Ok(fresh) => {
                let life = self.policy.life(fresh.life);
                let value = Arc::clone(&fresh.value);
                let held = Held {
                    value: fresh.value,
                    fetched_at: started,
                    refresh_at: started.saturating_add(self.policy.refresh_after(life)),
                    fresh_until: started.saturating_add(life),
                    usable_until: started.saturating_add(life),
                };
                self.fetch.settled(&held);
                self.held.store(Some(Arc::new(held)));
                let mut state = self.lock();
                state.last_error = None;
                state.failures = 0;
                state.next_try = Duration::ZERO;
                Ok(value)
            }
            Err(error) => {
                let pause = self.fetch.pause(&error);
                let mut state = self.lock();
                state.failures = state.failures.saturating_add(1);
                let pause = pause.unwrap_or(Duration::ZERO).max(self.policy.pause(state.failures));
                state.next_try = self.clock.elapsed().saturating_add(pause.min(self.policy.longest_pause));
                state.last_error = Some(error.clone());
                drop(state);
                self.allow_stale();
                Err(error)
            }
        }
    }

    /// The endpoint fails: what is held serves on, as long as staleness is allowed.
    fn allow_stale(&self) {
        let Some(held) = self.held.load_full() else { return };
        let until = held.fresh_until.saturating_add(self.policy.stale_for);
        if held.usable_until < until {
            let Held { fetched_at, refresh_at, fresh_until, .. } = *held;
            let value = Arc::clone(&held.value);
            let longer = Held { value, fetched_at, refresh_at, fresh_until, usable_until: until };
            self.fetch.settled(&longer);
            self.held.compare_and_swap(&held, Some(Arc::new(longer)));
        }
    }

    /// When the keeper should fetch next.
    fn next_fetch(&self) -> Duration {
        let due = self.held.load().as_ref().map_or(Duration::ZERO, |held| held.refresh_at);
        due.max(self.lock().next_try)
    }
}

struct ClearFlight<'s, T, F: Fetch<T>>(&'s Shared<T, F>);

impl<T, F: Fetch<T>> Drop for ClearFlight<'_, T, F> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).flight = None;
    }
}

/// The background task of one cell; it holds no claim on the cell and ends with it.
struct Keeper<T, F: Fetch<T>>(Weak<Shared<T, F>>);

impl<T, F> Keeper<T, F>
where
    T: Send + Sync + 'static,
    F: Fetch<T>,
{
    async fn run(self) {
        let _stopped = StoppedKeeper(&self.0);
        loop {
            let Some(shared) = self.0.upgrade() else { return };
            let pause = shared.next_fetch().saturating_sub(shared.clock.elapsed());
            let longest = shared.policy.max_life; // looks in now and then, should the cell have been dropped
            drop(shared);
            if !pause.is_zero() {
                tokio::time::sleep(pause.min(longest)).await;
                continue;
            }
            let Some(shared) = self.0.upgrade() else { return };
            let flight = {
                let mut state = shared.lock();
                match &state.flight {
                    Some(flight) => flight.clone(),
                    None => shared.take_off(&mut state, false),
                }
            };
            drop(shared);
            let mut flight = flight;
            let _ = flight.wait_for(Option::is_some).await;
        }
    }
}

/// Lets another keeper begin where this one's runtime has ended.
struct StoppedKeeper<'k, T, F: Fetch<T>>(&'k Weak<Shared<T, F>>);

impl<T, F: Fetch<T>> Drop for StoppedKeeper<'_, T, F> {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.state.lock().unwrap_or_else(PoisonError::into_inner).keeper_runs = false;
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
