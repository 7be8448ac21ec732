//! The task that keeps a list up to date.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign::error::ConfigError;
use countersign::revocation::RevocationFeed;
use tokio::task::AbortHandle;

use super::reader::{BLOCK, Reader};
use super::shared::Shared;
use crate::link::{Effect, Link};
use crate::settings::Place;

/// The wait after a failure, with as much again by chance.
const AFTER_FAILURE: Duration = Duration::from_millis(150);

/// Keeps a list up to date until it is dropped. [`RevocationStream`](crate::RevocationStream) has an example.
#[must_use = "the list is kept up to date only until this is dropped"]
pub struct RevocationFollower {
    issuer: String,
    feed: RevocationFeed,
    task: AbortHandle,
}

impl RevocationFollower {
    pub(super) fn start(place: &Place, shared: Arc<Shared>, feed: RevocationFeed) -> Result<Self, ConfigError> {
        // Of its own, because other commands would wait behind one that waits for entries.
        let place = Place { timeout: place.timeout + BLOCK, ..place.clone() };
        let link = Link::start(place, Vec::new(), Effect::Unavailable)
            .map_err(|failure| ConfigError::new("redis", failure.words()))?;
        let (issuer, own) = (shared.issuer.clone(), feed.clone());
        let task = tokio::spawn(async move { follow(&link, &shared, &own).await }).abort_handle();
        Ok(RevocationFollower { issuer, feed, task })
    }

    /// The time since the list was known to have everything; `None` if it never had. As [`RevocationFeed::age`].
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.feed.age()
    }
}

impl Drop for RevocationFollower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for RevocationFollower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationFollower").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

async fn follow(link: &Link, shared: &Shared, feed: &RevocationFeed) {
    let _ = link.connected().await;
    let mut reader = Reader::new(shared, feed);
    loop {
        if let Err(failure) = reader.watch(link).await {
            link.failed(failure);
            tokio::time::sleep(AFTER_FAILURE.mul_f64(1.0 + fastrand::f64())).await;
        }
    }
}
