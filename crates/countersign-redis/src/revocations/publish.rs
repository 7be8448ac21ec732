//! The task that keeps a stream as complete as a durable list.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign::error::ConfigError;
use countersign_core::revocation::RevocationLog;
use tokio::task::AbortHandle;

use super::durable::read;
use super::fill::{Published, fill_again};
use super::record;
use super::script::{Addition, Outcome, State, append};
use super::shared::Shared;
use crate::link::{Effect, Failure, Link};
use crate::settings::Place;

/// The time between two readings of the list, unless something is known to have changed.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// The wait after a failure.
const AFTER_FAILURE: Duration = Duration::from_millis(250);

/// The most steps of one round, for which other publishers may be the reason.
const STEPS: usize = 10_000;

/// Publishes a durable list until it is dropped. [`RevocationStream`](crate::RevocationStream) has an example.
#[must_use = "the list is published only until this is dropped"]
pub struct RevocationPublisher {
    issuer: String,
    task: AbortHandle,
}

impl RevocationPublisher {
    pub(super) fn start(place: Place, shared: Arc<Shared>, log: Arc<dyn RevocationLog>) -> Result<Self, ConfigError> {
        let failed = |failure: Failure| ConfigError::new("redis", failure.words());
        let link = Link::start(place, Vec::new(), Effect::Unavailable).map_err(failed)?;
        let issuer = shared.issuer.clone();
        let task = tokio::spawn(async move { publish(&link, &shared, &*log).await }).abort_handle();
        Ok(RevocationPublisher { issuer, task })
    }
}

impl Drop for RevocationPublisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for RevocationPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationPublisher").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

async fn publish(link: &Link, shared: &Shared, log: &dyn RevocationLog) {
    let _ = link.connected().await;
    let mut published = Published::default();
    loop {
        let changed = log.changed();
        match round(link, shared, log, &mut published).await {
            Ok(()) => {
                link.succeeded();
                tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep(PUBLISH_EVERY) => {}
                }
            }
            Err(failure) => {
                link.failed(failure);
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
}

/// Adds what the stream lacks, and states that it is complete.
async fn round(
    link: &Link,
    shared: &Shared,
    log: &dyn RevocationLog,
    published: &mut Published,
) -> Result<(), Failure> {
    let mut state = look(link, shared).await?;
    for _ in 0..STEPS {
        let Some(known) = state else {
            state = look(link, shared).await?;
            continue;
        };
        let page = read(log, known.sequence).await?;
        // A list with fewer revocations than the stream has is another one, or an old copy.
        if page.log() != known.log || page.end() < known.sequence {
            state = fill_again(link, shared, log, published, &known).await?;
            continue;
        }
        let notices: Vec<Vec<u8>> = page.notices().iter().map(record::write).collect();
        let addition = Addition {
            epoch: &known.epoch,
            list: Some((page.log(), known.sequence, page.end())),
            read_at: known.now,
            is_last: page.is_last(),
            max_entries: shared.max_entries,
            notices: &notices,
        };
        state = match append(link, &shared.keys, &addition).await? {
            Outcome::Done(_) if page.is_last() => {
                *published = Published { log: page.log().to_owned(), sequence: page.end() };
                return Ok(());
            }
            Outcome::Done(state) | Outcome::Moved(state) => Some(state),
            Outcome::Lost(state) => fill_again(link, shared, log, published, &state).await?,
            Outcome::Late => None,
            Outcome::Full => return Err(Failure::Refused("the stream of revocations has no room for more")),
        };
    }
    Err(Failure::Refused("the stream of revocations changes all the time; do two lists publish to it?"))
}

/// The present state. `None` if it has just changed.
async fn look(link: &Link, shared: &Shared) -> Result<Option<State>, Failure> {
    match append(link, &shared.keys, &Addition::default()).await? {
        // An epoch without a name is of no list, and is filled.
        Outcome::Lost(state) => Ok(Some(State { log: String::new(), ..state })),
        Outcome::Done(state) | Outcome::Moved(state) => Ok(Some(state)),
        Outcome::Full | Outcome::Late => Ok(None),
    }
}
