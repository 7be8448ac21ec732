//! A count that many cores can raise without waiting for each other.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// One for each of up to so many threads; more threads share.
const STRIPES: usize = 16;

#[repr(align(128))] // two cache lines: neighbours would slow each other down
#[derive(Debug, Default)]
struct Stripe(AtomicU64);

/// A striped counter: cheap to raise, a sum to read.
#[derive(Debug, Default)]
pub(crate) struct Counter([Stripe; STRIPES]);

impl Counter {
    /// Adds one.
    pub(crate) fn increment(&self) {
        let stripe = STRIPE.with(|stripe| *stripe);
        self.0[stripe % STRIPES].0.fetch_add(1, Ordering::Relaxed);
    }

    /// The sum now.
    pub(crate) fn sum(&self) -> u64 {
        self.0.iter().map(|stripe| stripe.0.load(Ordering::Relaxed)).sum()
    }
}

thread_local! {
    static STRIPE: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
}
