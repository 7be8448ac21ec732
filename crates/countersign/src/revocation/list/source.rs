//! The age of what a feed brought.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::revocation::retention::{Moment, Retention};

/// The age of what came from one source.
#[derive(Debug)]
pub(super) struct Source {
    max_age: Duration,
    /// The last confirmation; 0 before the first.
    confirmed_at: AtomicU64,
}

impl Source {
    /// A source that was never confirmed.
    pub(super) fn new(max_age: Duration) -> Self {
        Source { max_age, confirmed_at: AtomicU64::new(0) }
    }

    pub(super) fn confirm(&self, retention: &Retention) {
        self.confirmed_at.store(retention.moment().0, Ordering::Release);
    }

    pub(super) fn max_age(&self) -> Duration {
        self.max_age
    }

    #[inline]
    pub(super) fn is_stale(&self, retention: &Retention) -> bool {
        self.age(retention).is_none_or(|age| age > self.max_age)
    }

    #[inline]
    pub(super) fn age(&self, retention: &Retention) -> Option<Duration> {
        match self.confirmed_at.load(Ordering::Acquire) {
            0 => None,
            moment => Some(retention.age(Moment(moment))),
        }
    }
}
