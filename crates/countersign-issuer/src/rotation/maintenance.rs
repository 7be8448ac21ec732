//! The maintenance that is due: run once for all who wait for it before they sign.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::KeyRing;
use super::timing::MAX_WAIT;
use crate::audit;
use crate::counts::Counts;

/// Runs the maintenance of a key ring when the last one is 5 s old. Who signs waits for it, a second at most.
#[derive(Debug)]
pub(crate) struct Maintenance {
    ring: Arc<KeyRing>,
    counts: Arc<Counts>,
    run: Arc<Run>,
}

/// The run in progress.
#[derive(Debug, Default)]
struct Run {
    began: Mutex<Option<Instant>>,
    ended: Condvar,
    ended_async: Notify,
}

impl Maintenance {
    pub(crate) fn new(ring: Arc<KeyRing>, counts: Arc<Counts>) -> Self {
        Maintenance { ring, counts, run: Arc::default() }
    }

    /// Starts the run that is due, and waits for the one in progress; not on this thread if it may block.
    pub(crate) async fn maintain(&self) {
        if let Some(run) = self.start_if_due() {
            match Handle::try_current().ok().filter(|_| self.ring.may_block()) {
                Some(runtime) => drop(runtime.spawn_blocking(run)),
                None => run(),
            }
        }
        let ended = self.run.ended_async.notified();
        let mut ended = std::pin::pin!(ended);
        ended.as_mut().enable(); // before the look: the run may end in between
        if let Some(left) = self.run.left() {
            let _ = tokio::time::timeout(left, ended).await; // it goes on in the background
        }
    }

    /// As [`maintain`](Self::maintain), for a caller that is not async.
    pub(crate) fn maintain_blocking(&self) {
        if let Some(run) = self.start_if_due() {
            match Handle::try_current().ok().filter(|_| self.ring.may_take_long()) {
                Some(runtime) => drop(runtime.spawn_blocking(run)),
                None => run(),
            }
        }
        let mut began = self.run.lock();
        while let Some(left) = left(*began) {
            began = self.run.ended.wait_timeout(began, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The run that is due. It counts as in progress from now on, until it has ended or was dropped.
    fn start_if_due(&self) -> Option<impl FnOnce() + Send + 'static> {
        let mut began = self.run.lock(); // others see a run that is due, or in progress
        if !self.ring.is_maintenance_due() {
            return None;
        }
        let now = Instant::now();
        *began = Some(now);
        let (ring, counts) = (Arc::clone(&self.ring), Arc::clone(&self.counts));
        let running = Running { run: Arc::clone(&self.run), began: now };
        Some(move || {
            let _running = running;
            let result = ring.maintain();
            counts.maintenance(result.is_err());
            if let Err(error) = result {
                audit::key_maintenance_failed(&error, 0); // at most once in 5 s
            }
        })
    }
}

impl Run {
    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.began.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time that a caller waits for the run in progress, if there is one that is not overdue.
    fn left(&self) -> Option<Duration> {
        left(*self.lock())
    }
}

fn left(began: Option<Instant>) -> Option<Duration> {
    MAX_WAIT.checked_sub(began?.elapsed()).filter(|left| !left.is_zero())
}

struct Running {
    run: Arc<Run>,
    began: Instant,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut began = self.run.lock();
        if *began != Some(self.began) {
            return; // it was overdue, and another one has begun
        }
        *began = None;
        self.run.ended.notify_all();
        self.run.ended_async.notify_waiters();
    }
}
