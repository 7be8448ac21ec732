//! The keys for verifiers in this process, which need no network.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use countersign_core::clock::SourceClock;
use countersign_core::error::Fault;
use countersign_core::key::{KeyCell, KeySource, RefreshFuture, RefreshOutcome, RefreshReason, SourceContext};
use tokio::sync::Semaphore;

use super::KeyRing;
use super::timing::{MAINTENANCE_INTERVAL, STALE_FOR};
use crate::audit::{self, Sampler};

/// The pause before a read of the store for an unknown key. Everybody who asks meanwhile shares that read.
const PAUSE: Duration = Duration::from_millis(5);

/// When to ask again after a failed read.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The keys of a ring as a source. The store is read when the last read is 5 s old, whatever else the instance does, so that
/// a key that another instance revoked is refused here too.
#[derive(Debug)]
pub(crate) struct RingKeys {
    ring: Arc<KeyRing>,
    clock: SourceClock,
    /// One read at a time; the others wait for it.
    reading: Semaphore,
    /// The number of reads that were started.
    reads: AtomicU64,
    /// The time of the last successful read, in milliseconds of the clock.
    succeeded_at: AtomicU64,
    has_failed: AtomicBool,
    log: Sampler,
}

impl RingKeys {
    pub(crate) fn new(ring: Arc<KeyRing>) -> Self {
        let clock = SourceClock::from(Arc::clone(ring.clock()));
        let now = AtomicU64::new(millis(ring.clock().elapsed()));
        RingKeys {
            ring,
            clock,
            reading: Semaphore::new(1),
            reads: AtomicU64::new(0),
            succeeded_at: now,
            has_failed: AtomicBool::new(false),
            log: Sampler::of_outages(),
        }
    }

    async fn read(&self, reason: RefreshReason) -> RefreshOutcome {
        let reads_before = self.reads.load(Ordering::Acquire);
        let Ok(_permit) = self.reading.acquire().await else { return UNAVAILABLE };
        self.ring.published(); // applies what is due without a read
        let is_answered = match reason {
            RefreshReason::NoUsableKeys => self.ring.cell.is_usable(self.elapsed()),
            // A read that started before the question may have missed the key.
            _ => self.reads.load(Ordering::Acquire) > reads_before,
        };
        if is_answered {
            return self.outcome();
        }
        if reason == RefreshReason::MissingKey && self.ring.may_block() && is_in_runtime() {
            tokio::time::sleep(PAUSE).await;
        }
        self.reads.fetch_add(1, Ordering::AcqRel);
        let has_failed = !self.maintain().await;
        self.has_failed.store(has_failed, Ordering::Release);
        if has_failed {
            let end = Duration::from_millis(self.succeeded_at.load(Ordering::Relaxed)).saturating_add(STALE_FOR);
            self.ring.cell.serve_stale(self.elapsed().saturating_add(MAINTENANCE_INTERVAL).min(end));
        } else {
            self.succeeded_at.store(millis(self.elapsed()), Ordering::Relaxed);
        }
        self.outcome()
    }

    /// The outcome of the last read.
    fn outcome(&self) -> RefreshOutcome {
        if self.has_failed.load(Ordering::Acquire) { UNAVAILABLE } else { RefreshOutcome::Refreshed }
    }

    /// Reads the store, off the runtime's threads if that may block.
    async fn maintain(&self) -> bool {
        let ring = Arc::clone(&self.ring);
        let maintained = match tokio::runtime::Handle::try_current() {
            Ok(runtime) if ring.may_block() => {
                let joined = runtime.spawn_blocking(move || ring.maintain()).await;
                joined.map_err(|error| error.to_string()).and_then(|read| read.map_err(|error| error.to_string()))
            }
            _ => ring.maintain().map_err(|error| error.to_string()),
        };
        if let Err(error) = &maintained
            && let Some(unlogged) = self.log.admit(self.elapsed())
        {
            audit::key_maintenance_failed(error, unlogged);
        }
        maintained.is_ok()
    }

    fn elapsed(&self) -> Duration {
        self.ring.clock().elapsed()
    }
}

impl KeySource for RingKeys {
    fn cell(&self) -> &KeyCell {
        &self.ring.cell
    }

    fn refresh(&self, reason: RefreshReason) -> RefreshFuture<'_> {
        Box::pin(self.read(reason))
    }

    fn attach(&self, context: &SourceContext) -> Vec<Fault> {
        self.clock.attach(context.clock()).into_iter().collect()
    }
}

const UNAVAILABLE: RefreshOutcome = RefreshOutcome::Unavailable { retry_after: RETRY_AFTER };

fn is_in_runtime() -> bool {
    tokio::runtime::Handle::try_current().is_ok()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
