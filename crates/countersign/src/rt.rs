//! The few things of a runtime that refreshing stands on, in one place, so that a test can put a scheduler of its own in
//! their stead and try every order of events (`tests/interleavings`).

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

pub(crate) use std::sync::{Mutex, MutexGuard};

/// A task that was begun.
pub(crate) struct Task(AbortHandle);

impl Task {
    /// Ends it where it waits next.
    pub(crate) fn abort(&self) {
        self.0.abort();
    }
}

/// Begins a task of the runtime that this is called in; where there is none, the future is dropped.
///
/// Never to be called under a lock: a runtime that is ending drops the future at once.
pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Option<Task> {
    Handle::try_current().ok().map(|runtime| Task(runtime.spawn(future).abort_handle()))
}

/// What `future` comes to, or `None` once `limit` has passed. Without a runtime there is no timer, and no limit.
pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    match Handle::try_current() {
        Ok(_) => tokio::time::timeout(limit, future).await.ok(),
        Err(_) => Some(future.await),
    }
}

/// Waits.
pub(crate) async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}
