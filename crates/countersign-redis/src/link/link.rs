//! Commands, each with a time limit, and a bound on how many wait.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::{Cmd, RedisError, Value};
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;

use super::failure::Failure;
use super::outage::{Effect, Outage};
use super::reconnect::{State, stay_connected};
use crate::settings::Place;

/// The way to a server or a cluster. Dropping it closes the connection.
pub(crate) struct Link {
    state: Arc<State>,
    places: Semaphore,
    timeout: Duration,
    task: AbortHandle,
}

impl Link {
    /// Begins to connect, on the runtime of the caller. `first` are the commands that each new connection sends.
    pub(crate) fn start(place: Place, first: Vec<Cmd>, effect: Effect) -> Result<Self, Failure> {
        let runtime =
            tokio::runtime::Handle::try_current().map_err(|_| Failure::Connection("there is no tokio runtime"))?;
        let state = Arc::new(State {
            current: ArcSwapOption::empty(),
            outage: Outage::new(effect),
            attempt: watch::Sender::new(None),
        });
        let (timeout, places) = (place.timeout, Semaphore::new(place.max_in_flight.min(Semaphore::MAX_PERMITS)));
        let task = runtime.spawn(stay_connected(place, first, Arc::clone(&state))).abort_handle();
        Ok(Link { state, places, timeout, task })
    }

    /// Waits for the end of the first attempt to connect.
    pub(crate) async fn connected(&self) -> Result<(), Failure> {
        let mut attempts = self.state.attempt.subscribe();
        let ended = attempts.wait_for(Option::is_some).await;
        ended.ok().and_then(|ended| *ended).unwrap_or(Err(Failure::Connection("the runtime has ended")))
    }

    /// Sends a command. Without a connection it fails at once: no request waits for one.
    pub(crate) async fn send(&self, command: &Cmd) -> Result<Result<Value, RedisError>, Failure> {
        let Ok(_place) = self.places.try_acquire() else { return Err(Failure::Busy) };
        let Some(live) = self.state.current.load_full() else {
            return Err(Failure::Connection("there is no connection"));
        };
        let Ok(answer) = tokio::time::timeout(self.timeout, live.connection.send(command)).await else {
            // Something on the way may never answer on this connection.
            live.is_late.notify_one();
            return Err(Failure::TimedOut);
        };
        if answer.as_ref().is_err_and(RedisError::is_timeout) {
            live.is_late.notify_one();
        }
        Ok(answer)
    }

    /// The failure that this error stands for.
    pub(crate) fn failure(error: &RedisError) -> Failure {
        Failure::of(error)
    }

    /// Logs a failure, unless that was done a moment ago.
    pub(crate) fn failed(&self, failure: Failure) {
        self.state.outage.failed(failure);
    }

    pub(crate) fn succeeded(&self) {
        self.state.outage.succeeded();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_connected = self.state.current.load().is_some();
        f.debug_struct("Link").field("is_connected", &is_connected).finish_non_exhaustive()
    }
}
