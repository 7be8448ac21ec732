//! The statuses of an issuer's tokens: what is assigned, revoked and published.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::clock::{Clock, UnixTime};
use countersign_core::mint::Signer;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::indices::{BLOCK, BLOCK_LIFETIME, Indices, StatusIndex};
use super::published::PublishedList;
use super::settings::StatusListSettings;
use crate::store::{AsyncStore, StatusStore, Store, StoreError, StoreErrorKind};

/// The time after which the store is asked again for what other instances revoked.
const POLL: Duration = Duration::from_secs(1);

/// The longest wait for another caller's use of the store.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// The tolerated difference between clocks, which verifiers add to the expiry of a token at most.
const MAX_LEEWAY: Duration = Duration::from_secs(300);

/// The status lists of an issuer.
pub(crate) struct Statuses {
    settings: StatusListSettings,
    /// The address of all lists, with a slash at its end.
    base: String,
    issuer: String,
    max_token_lifetime: Duration,
    indices: Indices,
    published: Mutex<Cached>,
    /// One caller at a time reserves a block, and one reads the store for a list: the others find what it brought.
    reserving: Semaphore,
    reading: Semaphore,
    store: AsyncStore,
    clock: Arc<dyn Clock>,
}

/// Lists in memory, with the time of the last read as a reading of the clock's `elapsed`.
#[derive(Default)]
struct Cached {
    numbers: Option<(Duration, Vec<u64>)>,
    lists: HashMap<u64, (Duration, Arc<PublishedList>)>,
}

impl Statuses {
    pub(crate) fn new(
        settings: StatusListSettings,
        issuer: &str,
        max_token_lifetime: Duration,
        store: AsyncStore,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Statuses {
            settings,
            base: format!("{issuer}/status-lists/"),
            issuer: issuer.to_owned(),
            max_token_lifetime,
            indices: Indices::default(),
            published: Mutex::default(),
            reserving: Semaphore::new(1),
            reading: Semaphore::new(1),
            store,
            clock,
        }
    }

    /// The seconds for which caches may keep a list.
    pub(crate) fn max_age(&self) -> u64 {
        self.settings.ttl.as_secs()
    }

    /// The address of the list of an index.
    pub(crate) fn uri(&self, list: u64) -> String {
        format!("{}{list}", self.base)
    }

    /// The index that a token of this issuer names.
    pub(crate) fn index(&self, uri: &str, within: u64) -> Option<StatusIndex> {
        let list = uri.strip_prefix(&self.base)?.parse().ok()?;
        StatusIndex::new(list, within)
    }

    /// Takes an index for a new token; reserves a block if none is left.
    pub(crate) async fn take(&self) -> Result<StatusIndex, StoreError> {
        if let Some(index) = self.indices.take(self.clock.elapsed()) {
            return Ok(index);
        }
        let _turn = turn(&self.reserving).await?;
        if let Some(index) = self.indices.take(self.clock.elapsed()) {
            return Ok(index); // another caller reserved a block
        }
        let (until, ends_at, now) = self.block_times();
        let first = self.store.call("", move |store| statuses(store)?.reserve(BLOCK.into(), ends_at, now)).await?;
        self.take_of(first, until)
    }

    /// As [`take`](Self::take); blocks if the store does.
    pub(crate) fn take_blocking(&self) -> Result<StatusIndex, StoreError> {
        if let Some(index) = self.indices.take(self.clock.elapsed()) {
            return Ok(index);
        }
        let (until, ends_at, now) = self.block_times();
        let first = statuses(&**self.store.blocking())?.reserve(BLOCK.into(), ends_at, now)?;
        self.take_of(first, until)
    }

    /// The end of a new block, and the time at which its last token has expired.
    fn block_times(&self) -> (Duration, UnixTime, UnixTime) {
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        let ends_at = now.saturating_add(BLOCK_LIFETIME + self.max_token_lifetime + MAX_LEEWAY);
        (elapsed.saturating_add(BLOCK_LIFETIME), ends_at, now)
    }

    fn take_of(&self, first: u64, until: Duration) -> Result<StatusIndex, StoreError> {
        let added = self.indices.add(first, until).and_then(|()| self.indices.take(self.clock.elapsed()));
        added.ok_or_else(|| StoreError::new(StoreErrorKind::Failed).with_detail("the system provides no randomness"))
    }

    /// Revokes an index on behalf of `client`, durably, and for the next request of its list.
    pub(crate) async fn revoke(&self, client: &str, index: StatusIndex) -> Result<(), StoreError> {
        self.store.call(client, move |store| statuses(store)?.revoke_index(index.0)).await?;
        self.cached().lists.remove(&index.list());
        Ok(())
    }

    /// As [`revoke`](Self::revoke) for the issuer itself; blocks if the store does.
    pub(crate) fn revoke_blocking(&self, index: StatusIndex) -> Result<(), StoreError> {
        statuses(&**self.store.blocking())?.revoke_index(index.0)?;
        self.cached().lists.remove(&index.list());
        Ok(())
    }

    /// The signed list of this number; `None` if there is none.
    pub(crate) async fn published(&self, list: u64, signer: &Signer) -> Result<Option<Arc<PublishedList>>, StoreError> {
        if let Some(known) = self.known(list, signer) {
            return Ok(known);
        }
        let _turn = turn(&self.reading).await?;
        if let Some(known) = self.known(list, signer) {
            return Ok(known);
        }
        let began = self.clock.elapsed();
        let numbers = self.store.call("", |store| statuses(store)?.lists()).await?;
        let is_published = numbers.contains(&list);
        self.cached().lists.retain(|list, _| numbers.contains(list));
        self.cached().numbers = Some((began, numbers));
        if !is_published {
            return Ok(None);
        }
        let revoked = self.store.call("", move |store| statuses(store)?.revoked_indices(list)).await?;
        let now = self.clock.now();
        let current = self.cached().lists.get(&list).map(|(_, current)| Arc::clone(current));
        let unchanged =
            current.filter(|current| current.revoked == revoked && current.is_current(signer, &self.settings, now));
        let signed = match unchanged {
            Some(unchanged) => unchanged,
            None => {
                let (uri, settings) = (self.uri(list), &self.settings);
                let signed = PublishedList::sign(&uri, &self.issuer, revoked, signer, settings, now);
                Arc::new(signed.ok_or_else(|| StoreError::new(StoreErrorKind::Failed).with_detail("no signature"))?)
            }
        };
        self.cached().lists.insert(list, (began, Arc::clone(&signed)));
        Ok(Some(signed))
    }

    /// The list in memory, or that there is none, if that was read a moment ago.
    fn known(&self, list: u64, signer: &Signer) -> Option<Option<Arc<PublishedList>>> {
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        let is_recent = |at: Duration| elapsed.saturating_sub(at) < POLL;
        let cached = self.cached();
        if let Some((read_at, published)) = cached.lists.get(&list) {
            let is_usable = is_recent(*read_at) && published.is_current(signer, &self.settings, now);
            return is_usable.then(|| Some(Arc::clone(published)));
        }
        let (read_at, numbers) = cached.numbers.as_ref()?;
        (is_recent(*read_at) && !numbers.contains(&list)).then_some(None)
    }

    fn cached(&self) -> MutexGuard<'_, Cached> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for the callers before, so that a store that hangs does not collect them.
async fn turn(turns: &Semaphore) -> Result<SemaphorePermit<'_>, StoreError> {
    if let Ok(turn) = turns.try_acquire() {
        return Ok(turn);
    }
    match tokio::time::timeout(MAX_WAIT, turns.acquire()).await {
        Ok(Ok(turn)) => Ok(turn),
        _ => {
            Err(StoreError::new(StoreErrorKind::Unavailable)
                .with_detail("an earlier call for status lists waits for it"))
        }
    }
}

fn statuses(store: &dyn Store) -> Result<&dyn StatusStore, StoreError> {
    let missing = || StoreError::new(StoreErrorKind::Failed).with_detail("it stores no statuses");
    store.statuses().ok_or_else(missing)
}

impl fmt::Debug for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statuses").field("base", &self.base).finish_non_exhaustive()
    }
}
