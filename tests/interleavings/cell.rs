//! A value that is fetched by number, and what is watched while it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use countersign::clock::{Clock, UnixTime};
use countersign_test::ManualClock;

use crate::refresh::{Fetch, FetchFuture, Fresh, Held, RefreshPolicy, Refreshed};
use crate::rt::NEVER;

/// What the fetches saw; each brings the next number.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) fetches: AtomicUsize,
    pub(crate) forced: AtomicUsize,
    under_way: AtomicUsize,
    last_settled: AtomicU64,
    pub(crate) fails: AtomicBool,
}

impl Seen {
    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

pub(crate) struct Numbers(pub(crate) Arc<Seen>);

/// Ends with its fetch, also where that is cut off.
struct UnderWay(Arc<Seen>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Fetch<u64> for Numbers {
    type Error = &'static str;

    fn fetch(&self, _: Option<Arc<u64>>, forced: bool) -> FetchFuture<u64, &'static str> {
        let seen = Arc::clone(&self.0);
        assert_eq!(seen.under_way.fetch_add(1, Ordering::SeqCst), 0, "two flights at once");
        let number = seen.fetches.fetch_add(1, Ordering::SeqCst) as u64 + 1;
        seen.forced.fetch_add(usize::from(forced), Ordering::SeqCst);
        let under_way = UnderWay(Arc::clone(&seen));
        Box::pin(async move {
            let _under_way = under_way;
            for _ in 0..2 {
                shuttle::future::yield_now().await;
            }
            match seen.fails.load(Ordering::SeqCst) {
                true => Err("down"),
                false => Ok(Fresh { value: Arc::new(number), life: None }),
            }
        })
    }

    fn timed_out(&self) -> &'static str {
        "timed out"
    }

    fn settled(&self, held: &Held<u64>) {
        let last = self.0.last_settled.swap(*held.value, Ordering::SeqCst);
        assert!(last <= *held.value, "an older value took the place of a newer");
    }
}

/// A cell whose callers wait as long as it takes, and whose fetches all end.
pub(crate) fn patient() -> RefreshPolicy {
    RefreshPolicy { timeout: NEVER * 2, max_wait: NEVER * 2, jitter: 0.0, ..RefreshPolicy::default() }
}

pub(crate) struct Cell {
    pub(crate) refreshed: Refreshed<u64, Numbers>,
    pub(crate) seen: Arc<Seen>,
    pub(crate) clock: ManualClock,
}

impl Cell {
    pub(crate) fn new(policy: RefreshPolicy) -> Self {
        let (seen, clock) = (Arc::<Seen>::default(), ManualClock::new(UnixTime::from_secs(1_700_000_000)));
        let own: Arc<dyn Clock> = Arc::new(clock.clone());
        Cell { refreshed: Refreshed::new(Numbers(Arc::clone(&seen)), policy, own), seen, clock }
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}
