//! The log of outages: once, then at most once a minute, and when it is over.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::failure::Failure;

/// The shortest time between two entries about failures.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The effect of an outage on those who need the server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Effect {
    /// Requests that need it get 503.
    Unavailable,
    /// The policy in force stays.
    #[cfg(feature = "bundle")]
    PolicyStays,
    /// Pulls of bundles come no sooner than their interval.
    #[cfg(feature = "bundle")]
    NoHints,
}

/// The failure that was logged last.
#[derive(Debug)]
pub(super) struct Outage {
    effect: Effect,
    /// True if a failure was logged, and no success since.
    is_logged: AtomicBool,
    last: Mutex<Option<(Failure, Instant)>>,
}

impl Outage {
    pub(super) fn new(effect: Effect) -> Self {
        Outage { effect, is_logged: AtomicBool::new(false), last: Mutex::default() }
    }

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
            self.log(failure.words());
        }
    }

    fn log(&self, reason: &'static str) {
        match self.effect {
            Effect::Unavailable => tracing::warn!(
                target: "countersign::redis",
                reason,
                "Redis cannot be used; requests that need it get 503"
            ),
            #[cfg(feature = "bundle")]
            Effect::PolicyStays => tracing::warn!(
                target: "countersign::redis",
                reason,
                "Redis cannot be used; the policy in force stays"
            ),
            #[cfg(feature = "bundle")]
            Effect::NoHints => tracing::warn!(
                target: "countersign::redis",
                reason,
                "Redis cannot be used; bundles are pulled without hints"
            ),
        }
    }

    pub(super) fn succeeded(&self) {
        if self.is_logged.load(Ordering::Relaxed) && self.is_logged.swap(false, Ordering::Relaxed) {
            tracing::info!(target: "countersign::redis", "Redis can be used again");
        }
    }
}
