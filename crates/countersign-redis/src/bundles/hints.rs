//! The task that hears of other documents.

use std::sync::Arc;
use std::time::Duration;

use redis::{Value, cmd};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::link::{Effect, Failure, Link};
use crate::revocations::{EntryId, entries_of};
use crate::settings::Place;

/// The time for which the server waits for a hint.
const BLOCK: Duration = Duration::from_secs(5);

/// The wait after a failure, with as much again by chance.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// Waits for hints until it is dropped.
pub(super) struct Hints {
    /// Keeps one hint while nobody waits.
    pub(super) arrived: Arc<Notify>,
    task: AbortHandle,
}

impl Hints {
    pub(super) fn start(place: &Place, key: String) -> Result<Self, Failure> {
        // Of its own, because other commands would wait behind one that waits for hints.
        let place = Place { timeout: place.timeout + BLOCK, ..place.clone() };
        let link = Link::start(place, Vec::new(), Effect::NoHints)?;
        let arrived = Arc::new(Notify::new());
        let hint = Arc::clone(&arrived);
        let task = tokio::spawn(async move { listen(&link, &key, &hint).await }).abort_handle();
        Ok(Hints { arrived, task })
    }
}

impl Drop for Hints {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(link: &Link, key: &str, hint: &Notify) {
    let _ = link.connected().await;
    let mut last = EntryId::default();
    loop {
        match wait(link, key, last).await {
            Ok(None) => link.succeeded(),
            Ok(Some(id)) => {
                last = id;
                hint.notify_one();
                link.succeeded();
            }
            Err(failure) => {
                link.failed(failure);
                // What was said meanwhile is the last entry, and another server may count from a lower id.
                last = EntryId::default();
                tokio::time::sleep(AFTER_FAILURE.mul_f64(1.0 + fastrand::f64())).await;
            }
        }
    }
}

/// The id of a hint after `last`, if one comes in time.
async fn wait(link: &Link, key: &str, last: EntryId) -> Result<Option<EntryId>, Failure> {
    let mut command = cmd("XREAD");
    command.arg("COUNT").arg(1).arg("BLOCK").arg(BLOCK.as_millis().to_string());
    command.arg("STREAMS").arg(key).arg(last.to_string());
    let answer: Value = link.send(&command).await?.map_err(|error| Link::failure(&error))?;
    Ok(entries_of(&answer, key).ok_or(Failure::NOT_OF_STREAM)?.last().map(|entry| entry.id))
}
