//! The keys for verifiers in this process, which need no network.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use countersign_core::clock::SourceClock;
use countersign_core::error::Fault;
use countersign_core::key::{KeyCell, KeySource, RefreshFuture, RefreshOutcome, RefreshReason, SourceContext};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::KeyRing;
use super::timing::{MAINTENANCE_INTERVAL, MAX_WAIT};
use crate::audit::{self, Sampler};

/// The pause before a read of the store for an unknown key. Everybody who asks meanwhile shares that read.
const PAUSE: Duration = Duration::from_millis(5);

/// When to ask again after a failed read.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The keys of a ring as a source. The store is read in the background when the last read is 2.5 s old, and awaited when it is
/// 5 s old, whatever else the instance does, so that a key that another instance revoked is refused here too.
#[derive(Debug)]
pub(crate) struct RingKeys {
    ring: Arc<KeyRing>,
    clock: SourceClock,
    reads: Arc<Reads>,
    /// One caller at a time; the others wait for it.
    reading: Semaphore,
}

/// The reads of the store.
#[derive(Debug)]
struct Reads {
    is_running: AtomicBool,
    started: AtomicU64,
    has_failed: AtomicBool,
    log: Sampler,
}

impl RingKeys {
    pub(crate) fn new(ring: Arc<KeyRing>) -> Self {
        let clock = SourceClock::from(Arc::clone(ring.clock()));
        let reads = Reads {
            is_running: AtomicBool::new(false),
            started: AtomicU64::new(0),
            has_failed: AtomicBool::new(false),
            log: Sampler::of_outages(),
        };
        RingKeys { ring, clock, reads: Arc::new(reads), reading: Semaphore::new(1) }
    }

    async fn refreshed(&self, reason: RefreshReason) -> RefreshOutcome {
        self.ring.published(); // applies what is due without a read
        let elapsed = self.ring.clock().elapsed();
        let is_recent = !self.ring.is_changed() && elapsed < self.ring.read_at().saturating_add(MAINTENANCE_INTERVAL);
        let runtime = Handle::try_current().ok().filter(|_| self.ring.may_take_long());
        if let (RefreshReason::NoUsableKeys, true, Some(runtime)) = (reason, is_recent, &runtime) {
            self.serve_current(); // nobody waits for the read
            if let Some(read) = self.start() {
                drop(runtime.spawn_blocking(read));
            }
            return RefreshOutcome::Refreshed;
        }
        let read = self.read(reason, runtime);
        if Handle::try_current().is_err() {
            return read.await;
        }
        match tokio::time::timeout(MAX_WAIT, read).await {
            Ok(outcome) => outcome,
            Err(_) => {
                self.serve_current();
                UNAVAILABLE
            }
        }
    }

    /// Reads the store once for all callers that wait.
    async fn read(&self, reason: RefreshReason, runtime: Option<Handle>) -> RefreshOutcome {
        let reads_before = self.reads.started.load(Ordering::Acquire);
        let Ok(_permit) = self.reading.acquire().await else { return UNAVAILABLE };
        let is_answered = match reason {
            RefreshReason::NoUsableKeys => {
                !self.ring.is_changed() && self.ring.cell.is_usable(self.ring.clock().elapsed())
            }
            // A read that started before the question may have missed the key.
            _ => self.reads.started.load(Ordering::Acquire) > reads_before,
        };
        if is_answered {
            return self.reads.outcome();
        }
        match runtime {
            Some(runtime) => {
                if reason == RefreshReason::MissingKey {
                    tokio::time::sleep(PAUSE).await;
                }
                match self.start() {
                    Some(read) => drop(runtime.spawn_blocking(read).await),
                    None => {
                        // A read that takes too long: nobody starts another one.
                        self.serve_current();
                        return UNAVAILABLE;
                    }
                }
            }
            None => {
                if let Some(read) = self.start() {
                    read();
                }
            }
        }
        self.reads.outcome()
    }

    /// A read of the store, unless one is running. It counts as running until it has ended or was dropped.
    fn start(&self) -> Option<impl FnOnce() + Send + 'static> {
        if self.reads.is_running.swap(true, Ordering::AcqRel) {
            return None;
        }
        self.reads.started.fetch_add(1, Ordering::AcqRel);
        let mut running = Running { ring: Arc::clone(&self.ring), reads: Arc::clone(&self.reads), is_done: false };
        Some(move || {
            let Running { ring, reads, .. } = &running;
            if let Err(error) = ring.maintain() {
                if let Some(unlogged) = reads.log.admit(ring.clock().elapsed()) {
                    audit::key_maintenance_failed(&error, unlogged);
                }
                return;
            }
            running.is_done = true;
        })
    }

    fn serve_current(&self) {
        serve_current(&self.ring);
    }
}

/// A read of the store in progress. One that panics, or that the runtime drops before it begins, has failed.
struct Running {
    ring: Arc<KeyRing>,
    reads: Arc<Reads>,
    is_done: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_done {
            serve_current(&self.ring);
        }
        self.reads.has_failed.store(!self.is_done, Ordering::Release);
        self.reads.is_running.store(false, Ordering::Release);
    }
}

impl Reads {
    /// The outcome of the last read.
    fn outcome(&self) -> RefreshOutcome {
        if self.has_failed.load(Ordering::Acquire) { UNAVAILABLE } else { RefreshOutcome::Refreshed }
    }
}

/// Keeps the keys in use for a moment, while the store is read or fails, but not for longer than stale keys may be used.
fn serve_current(ring: &KeyRing) {
    let end = ring.stale_until();
    let until = ring.clock().elapsed().saturating_add(RETRY_AFTER).min(end);
    if ring.is_reset() { ring.cell.withdraw(until) } else { ring.cell.serve_stale(until) }
}

impl KeySource for RingKeys {
    fn cell(&self) -> &KeyCell {
        &self.ring.cell
    }

    fn refresh(&self, reason: RefreshReason) -> RefreshFuture<'_> {
        Box::pin(self.refreshed(reason))
    }

    fn attach(&self, context: &SourceContext) -> Vec<Fault> {
        self.clock.attach(context.clock()).into_iter().collect()
    }
}

const UNAVAILABLE: RefreshOutcome = RefreshOutcome::Unavailable { retry_after: RETRY_AFTER };
