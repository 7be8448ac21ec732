//! The runtime functions of `refresh`, in one place, so that `tests/interleavings` can replace them with a scheduler that
//! tries every order of events.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

pub(crate) use std::sync::{Mutex, MutexGuard};

/// A spawned task.
pub(crate) struct Task(AbortHandle);

impl Task {
    /// Cancels the task at its next await.
    pub(crate) fn abort(&self) {
        self.0.abort();
    }
}

/// A task that is cancelled when this is dropped.
#[cfg(any(feature = "fleet", all(feature = "axum", feature = "outbound")))]
pub(crate) struct OwnedTask(pub(crate) Option<Task>);

#[cfg(any(feature = "fleet", all(feature = "axum", feature = "outbound")))]
impl Drop for OwnedTask {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// Returns whether the caller runs on a runtime.
#[cfg(any(feature = "remote-keys", all(feature = "axum", feature = "outbound")))]
pub(crate) fn has_runtime() -> bool {
    Handle::try_current().is_ok()
}

/// Spawns a task on the current runtime. Without a runtime, the future is dropped.
///
/// Must not be called under a lock: a runtime in shutdown drops the future at once.
pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Option<Task> {
    Handle::try_current().ok().map(|runtime| Task(runtime.spawn(future).abort_handle()))
}

/// Returns the output of `future`, or `None` after `limit`. Without a runtime there is no timer, and no limit.
pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    // A future that is ready at once needs no timer.
    if let Poll::Ready(output) = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
        return Some(output);
    }
    match Handle::try_current() {
        Ok(_) => tokio::time::timeout(limit, future).await.ok(),
        Err(_) => Some(future.await),
    }
}

/// Waits for a time.
pub(crate) async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}
