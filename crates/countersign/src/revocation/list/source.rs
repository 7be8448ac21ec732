//! The age of what a feed brought.

use std::iter;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::revocation::retention::{Moment, Retention};

/// The age of what came from one source.
#[derive(Debug)]
pub(super) struct Source {
    max_age: Duration,
    max_age_millis: u64,
    /// The last confirmation; 0 before the first.
    confirmed_at: AtomicU64,
}

impl Source {
    /// A source that was never confirmed.
    pub(super) fn new(max_age: Duration) -> Self {
        let max_age_millis = u64::try_from(max_age.as_millis()).unwrap_or(u64::MAX);
        Source { max_age, max_age_millis, confirmed_at: AtomicU64::new(0) }
    }

    pub(super) fn confirm(&self, retention: &Retention) {
        self.confirmed_at.store(retention.moment().0, Ordering::Release);
    }

    pub(super) fn max_age(&self) -> Duration {
        self.max_age
    }

    #[inline]
    pub(super) fn is_stale(&self, retention: &Retention) -> bool {
        match self.confirmed_at.load(Ordering::Acquire) {
            0 => true,
            moment => retention.is_older(Moment(moment), self.max_age_millis),
        }
    }

    #[inline]
    pub(super) fn age(&self, retention: &Retention) -> Option<Duration> {
        match self.confirmed_at.load(Ordering::Acquire) {
            0 => None,
            moment => Some(retention.age(Moment(moment))),
        }
    }
}

/// The sources of a list. None is ever removed, so that readers write nothing.
#[derive(Debug, Default)]
pub(super) struct Sources(OnceLock<Box<Link>>);

/// A source, and those that were added later.
#[derive(Debug)]
struct Link {
    source: Arc<Source>,
    others: Sources,
}

impl Sources {
    pub(super) fn add(&self, source: Arc<Source>) {
        let mut at = self;
        let mut link = Box::new(Link { source, others: Sources::default() });
        while let Err(own) = at.0.set(link) {
            let Some(taken) = at.0.get() else { return };
            (link, at) = (own, &taken.others);
        }
    }

    #[inline]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Source> {
        let mut at = self;
        iter::from_fn(move || {
            let link = at.0.get()?;
            at = &link.others;
            Some(&*link.source)
        })
    }
}
