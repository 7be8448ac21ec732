//! `countersign::rt` over shuttle: another task may run at every lock and every wait.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use shuttle::future::JoinHandle;
use shuttle::rand::Rng;

pub(crate) use shuttle::sync::{Mutex, MutexGuard};

/// Limits of at least this time never pass; shorter ones pass at any moment.
pub(crate) const NEVER: Duration = Duration::from_secs(1000);

pub(crate) struct Task(JoinHandle<()>);

impl Task {
    pub(crate) fn abort(&self) {
        self.0.abort();
    }
}

pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Option<Task> {
    Some(Task(shuttle::future::spawn(future)))
}

pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    std::future::poll_fn(move |context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending if limit < NEVER && shuttle::rand::thread_rng().gen_bool(0.3) => Poll::Ready(None),
        Poll::Pending => {
            if limit < NEVER {
                context.waker().wake_by_ref(); // time passes
            }
            Poll::Pending
        }
    })
    .await
}

pub(crate) async fn sleep(_: Duration) {
    shuttle::future::yield_now().await;
}
