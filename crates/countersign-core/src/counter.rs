//! A counter that many threads increment without contention.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The number of stripes; more threads than this share them.
const STRIPES: usize = 16;

#[repr(align(128))] // two cache lines, to avoid false sharing
#[derive(Debug, Default)]
struct Stripe(AtomicU64);

/// A striped counter: increments are cheap, reads sum all stripes.
///
/// ```
/// use countersign_core::integration::Counter;
///
/// let counter = Counter::default();
/// counter.increment();
/// assert_eq!(counter.sum(), 1);
/// ```
#[derive(Debug, Default)]
pub struct Counter([Stripe; STRIPES]);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.0[stripe() % STRIPES].0.fetch_add(1, Ordering::Relaxed);
    }

    /// The current sum.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0.iter().map(|stripe| stripe.0.load(Ordering::Relaxed)).sum()
    }
}

/// The number of this thread: consecutive for threads in the order of their first call.
#[inline]
pub(crate) fn stripe() -> usize {
    STRIPE.with(|stripe| *stripe)
}

thread_local! {
    static STRIPE: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
}
