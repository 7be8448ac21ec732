//! The log of outages: once, then at most once a minute, and when it is over.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::failure::Failure;

/// The shortest time between two entries about failures.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The failure that was logged last.
#[derive(Debug, Default)]
pub(super) struct Outage {
    /// True if a failure was logged, and no success since.
    is_logged: AtomicBool,
    last: Mutex<Option<(Failure, Instant)>>,
}

impl Outage {
    pub(super) fn failed(&self, failure: Failure) {
        let now = Instant::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = last.is_none_or(|(_, at)| now.saturating_duration_since(at) >= LOG_INTERVAL);
        if is_new {
            *last = Some((failure, now));
        }
        drop(last);
        if is_new {
            self.is_logged.store(true, Ordering::Relaxed);
            tracing::warn!(
                target: "countersign::redis",
                reason = failure.words(),
                "Redis cannot be used; requests that need it get 503"
            );
        }
    }

    pub(super) fn succeeded(&self) {
        if self.is_logged.load(Ordering::Relaxed) && self.is_logged.swap(false, Ordering::Relaxed) {
            tracing::info!(target: "countersign::redis", "Redis can be used again");
        }
    }
}
