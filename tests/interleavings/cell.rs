//! A cache whose fetches return increasing numbers, with checks of each fetch and each stored value.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use countersign::clock::{Clock, UnixTime};
use countersign_test::ManualClock;

use crate::refresh::{CachedValue, Fetch, FetchFuture, Fetched, RefreshCache, RefreshPolicy};
use crate::rt::NEVER;

/// Counts of fetches; each returns the next number.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) fetches: AtomicUsize,
    pub(crate) forced: AtomicUsize,
    in_progress: AtomicUsize,
    last_stored: AtomicU64,
    pub(crate) fails: AtomicBool,
}

impl Seen {
    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

pub(crate) struct Numbers(pub(crate) Arc<Seen>);

/// Marks a fetch as ended when it is dropped, also if it is cancelled.
struct InProgress(Arc<Seen>);

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.in_progress.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Fetch<u64> for Numbers {
    type Error = &'static str;

    fn fetch(&self, _: Option<Arc<u64>>, forced: bool) -> FetchFuture<u64, &'static str> {
        let seen = Arc::clone(&self.0);
        assert_eq!(seen.in_progress.fetch_add(1, Ordering::SeqCst), 0, "two fetches at once");
        let number = seen.fetches.fetch_add(1, Ordering::SeqCst) as u64 + 1;
        seen.forced.fetch_add(usize::from(forced), Ordering::SeqCst);
        let in_progress = InProgress(Arc::clone(&seen));
        Box::pin(async move {
            let _in_progress = in_progress;
            for _ in 0..2 {
                shuttle::future::yield_now().await;
            }
            match seen.fails.load(Ordering::SeqCst) {
                true => Err("down"),
                false => Ok(Fetched { value: Arc::new(number), lifetime: None }),
            }
        })
    }

    fn timeout_error(&self) -> &'static str {
        "timed out"
    }

    fn on_change(&self, cached: &CachedValue<u64>) {
        let last = self.0.last_stored.swap(*cached.value, Ordering::SeqCst);
        assert!(last <= *cached.value, "an older value replaced a newer one");
    }
}

/// A policy whose callers wait without limit and whose fetches all finish.
pub(crate) fn patient() -> RefreshPolicy {
    RefreshPolicy { timeout: NEVER * 2, max_wait: NEVER * 2, jitter: 0.0, ..RefreshPolicy::default() }
}

pub(crate) struct Cell {
    pub(crate) cache: RefreshCache<u64, Numbers>,
    pub(crate) seen: Arc<Seen>,
    pub(crate) clock: ManualClock,
}

impl Cell {
    pub(crate) fn new(policy: RefreshPolicy) -> Self {
        let (seen, clock) = (Arc::<Seen>::default(), ManualClock::new(UnixTime::from_secs(1_700_000_000)));
        let own: Arc<dyn Clock> = Arc::new(clock.clone());
        Cell { cache: RefreshCache::new(Numbers(Arc::clone(&seen)), policy, own), seen, clock }
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}
