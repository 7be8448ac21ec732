//! The background task that refreshes a cached value before it expires, without callers.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::fetch::Fetch;
use super::state::{Inner, TaskHandle};
use crate::rt;

/// The longest sleep of the task: a fetch that a caller caused may change the time of the next one, and the cache's clock may
/// run faster than the runtime's timer.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

/// The pause after a fetch whose runtime ended, so that a runtime in shutdown is not kept busy.
const PAUSE_AFTER_CANCEL: Duration = Duration::from_secs(1);

/// Refreshes the value until the cache is dropped, which it does not keep alive.
pub(super) struct RefreshTask<T, F>
where
    T: Send + Sync + 'static,
    F: Fetch<T>,
{
    inner: Weak<Inner<T, F>>,
    id: u64,
}

impl<T, F> RefreshTask<T, F>
where
    T: Send + Sync + 'static,
    F: Fetch<T>,
{
    /// Spawns the task if none runs, or if the running one is overdue: then its runtime has stopped.
    pub(super) fn spawn(inner: &Arc<Inner<T, F>>) {
        let id = {
            let mut state = inner.lock();
            let overdue = inner.next_fetch(&state).saturating_add(inner.policy.max_backoff);
            let is_overdue = inner.join(&state).is_none() && inner.clock.elapsed() > overdue;
            match &state.refresh_task {
                Some(_) if !is_overdue => return,
                Some(task) => task.shutdown(),
                None => {}
            }
            state.refresh_tasks += 1;
            let id = state.refresh_tasks;
            state.refresh_task = Some(TaskHandle { id, task: None });
            id
        };
        // Not under the lock: without a runtime, or with one in shutdown, the task is dropped here and removes its handle.
        let task = rt::spawn(RefreshTask { inner: Arc::downgrade(inner), id }.run());
        if let Some(handle) = inner.lock().refresh_task.as_mut().filter(|handle| handle.id == id) {
            handle.task = task;
        }
    }

    async fn run(self) {
        while let Some(inner) = self.inner.upgrade() {
            let next = inner.next_fetch(&inner.lock());
            let pause = next.saturating_sub(inner.clock.elapsed());
            if pause.is_zero() && !inner.fetch.is_needed() {
                return;
            }
            if pause.is_zero() {
                let waiter = inner.join_or_start_if_due();
                drop(inner);
                if let Some(waiter) = waiter
                    && waiter.result().await.is_none()
                {
                    rt::sleep(PAUSE_AFTER_CANCEL).await;
                }
            } else {
                drop(inner);
                rt::sleep(pause.min(LONGEST_SLEEP)).await;
            }
        }
    }
}

/// Removes the handle, so that another task can be spawned on another runtime.
impl<T, F> Drop for RefreshTask<T, F>
where
    T: Send + Sync + 'static,
    F: Fetch<T>,
{
    fn drop(&mut self) {
        let Some(inner) = self.inner.upgrade() else { return };
        let mut state = inner.lock();
        if state.refresh_task.as_ref().is_some_and(|handle| handle.id == self.id) {
            state.refresh_task = None;
            drop(state);
            inner.fetch.on_task_end();
        }
    }
}
