//! Single flight: one leader runs a fetch, and all waiters share its result.

use std::time::{Duration, Instant};

use tokio::sync::watch;

/// At most one call in progress. All methods are called under the lock of `state.rs`.
pub(super) struct SingleFlight<R> {
    call: Option<Call<R>>,
    /// The number of calls started, which identifies the latest.
    started: u64,
}

struct Call<R> {
    id: u64,
    began: Instant,
    result: watch::Receiver<Option<R>>,
}

/// Runs the call and publishes its result.
pub(super) struct Leader<R> {
    id: u64,
    result: watch::Sender<Option<R>>,
}

/// Waits for the result of a call.
pub(super) struct Waiter<R> {
    result: watch::Receiver<Option<R>>,
}

impl<R: Clone> SingleFlight<R> {
    pub(super) fn new() -> Self {
        SingleFlight { call: None, started: 0 }
    }

    /// Joins the call in progress, unless it is older than `limit`.
    pub(super) fn join(&self, limit: Duration) -> Option<Waiter<R>> {
        let call = self.call.as_ref().filter(|call| call.began.elapsed() < limit)?;
        Some(Waiter { result: call.result.clone() })
    }

    /// Starts a call. It replaces one that is still in progress.
    pub(super) fn start(&mut self) -> (Leader<R>, Waiter<R>) {
        let (sender, result) = watch::channel(None);
        self.started += 1;
        let id = self.started;
        self.call = Some(Call { id, began: Instant::now(), result: result.clone() });
        (Leader { id, result: sender }, Waiter { result })
    }

    /// The number of calls started.
    pub(super) fn started(&self) -> u64 {
        self.started
    }

    /// Ends the call of `leader`. Returns false if a later call has replaced it.
    pub(super) fn finish(&mut self, leader: &Leader<R>) -> bool {
        let is_current = self.call.as_ref().is_some_and(|call| call.id == leader.id);
        if is_current {
            self.call = None;
        }
        is_current
    }
}

impl<R> Leader<R> {
    /// The number of the call.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Passes the result to all waiters.
    pub(super) fn publish(&self, result: R) {
        self.result.send_replace(Some(result));
    }
}

impl<R: Clone> Waiter<R> {
    /// Waits for the result; `None` if the leader was dropped without one.
    pub(super) async fn result(mut self) -> Option<R> {
        self.result.wait_for(Option::is_some).await.ok()?.clone()
    }
}
