//! The store as async code calls it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::{Clock, UnixTime};
use countersign_core::integration::{OccupancyBudget, Standing, sha256};
use countersign_core::revocation::RevokedTokens;

use super::share::ExpiryClock;
use super::{FoundNotices, IdList, Insertion, NoticePage, Store, StoreError, StoreErrorKind};
use crate::audit::{self, Sampler};
use crate::counts::StoreTimer;

/// The most calls of a blocking store at the same time: half of the threads that tokio has for them. A client gets as many as
/// are still free.
const MAX_CALLS: u32 = 256;

/// The longest wait for a call, for example of a file on a disk that does not answer. The stores of this crate give up
/// earlier if they can.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Calls a blocking store off the runtime's threads and logs its failures. Clients share the calls.
#[derive(Clone)]
pub(crate) struct AsyncStore {
    store: Arc<dyn Store>,
    expiry: Arc<ExpiryClock>,
    calls: OccupancyBudget,
    log: Arc<Sampler>,
    clock: Arc<dyn Clock>,
}

impl AsyncStore {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let expiry = Arc::new(ExpiryClock::new(Arc::clone(&clock)));
        let calls = OccupancyBudget::new(MAX_CALLS);
        AsyncStore { store, expiry, calls, log: Arc::new(Sampler::of_outages()), clock }
    }

    /// The store itself, for calls that may block.
    pub(crate) fn blocking(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The stored form of an id: a digest, so that long ids take no more space.
    fn digest(id: &str) -> [u8; 32] {
        sha256(id)
    }

    /// Stores an id in a place of `client`.
    pub(crate) async fn insert_id(
        &self,
        list: IdList,
        client: &str,
        id: &str,
        expires_at: UnixTime,
    ) -> Result<Insertion, StoreError> {
        let (digest, owner, expired) = (AsyncStore::digest(id), client.to_owned(), self.expiry.now());
        self.call(client, move |store| store.insert_id(list, &owner, &digest, expires_at, expired)).await
    }

    /// Looks for an id on behalf of `client`.
    pub(crate) async fn contains_id(
        &self,
        list: IdList,
        client: &str,
        id: &str,
        expires_at: UnixTime,
    ) -> Result<bool, StoreError> {
        self.expiry.now(); // takes a reading
        let digest = AsyncStore::digest(id);
        self.call(client, move |store| store.contains_id(list, &digest, expires_at)).await
    }

    /// Stores a revocation in a place of `client`; one of a single token as its id if the store keeps no others.
    pub(crate) async fn put_notice(
        &self,
        client: &str,
        digest: [u8; 32],
        tokens: RevokedTokens,
        expires_at: UnixTime,
    ) -> Result<Insertion, StoreError> {
        let (owner, expired) = (client.to_owned(), self.expiry.now());
        self.call(client, move |store| put(store, &owner, &digest, (&tokens, expires_at), expired)).await
    }

    /// Stores a revocation in a place of the issuer itself; blocks if the store does.
    pub(crate) fn put_own_notice(
        &self,
        digest: &[u8; 32],
        tokens: &RevokedTokens,
        expires_at: UnixTime,
    ) -> Result<Insertion, StoreError> {
        put(&*self.store, "", digest, (tokens, expires_at), self.expiry.now())
    }

    /// Looks for revocations with these digests on behalf of `client`.
    pub(crate) async fn find_notices(
        &self,
        client: &str,
        digests: Vec<[u8; 32]>,
        expires_at: UnixTime,
    ) -> Result<FoundNotices, StoreError> {
        let find = move |store: &dyn Store| match store.find_notices(&digests, expires_at) {
            Err(error) if error.kind() == StoreErrorKind::Unsupported => Ok(FoundNotices::default()), // there can be none
            found => found,
        };
        self.call(client, find).await
    }

    /// The revocations after a number without those that are over, and the number up to which they are.
    pub(crate) async fn notices_after(&self, sequence: u64) -> Result<(NoticePage, u64), StoreError> {
        let expired = self.expiry.now();
        let mut page = self.call("", move |store| store.notices_after(sequence)).await?;
        let end = page.notices.last().map_or(page.last, |last| last.sequence);
        page.notices.retain(|notice| expired < notice.expires_at);
        Ok((page, end))
    }

    /// Makes a call on behalf of `client`, which is authenticated.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        client: &str,
        call: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let timer = StoreTimer::start();
        let result = if self.store.is_blocking() { self.call_blocking(client, call).await } else { call(&*self.store) };
        timer.stop(result.is_err());
        result.inspect_err(|error| {
            if let Some(unlogged) = self.log.admit(self.clock.elapsed()) {
                audit::store_failed(error, unlogged);
            }
        })
    }

    /// The permit moves with the work, so that a call that is given up does not free it early.
    async fn call_blocking<T: Send + 'static>(
        &self,
        client: &str,
        call: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        const UNAVAILABLE: StoreError = StoreError::new(StoreErrorKind::Unavailable);
        let permit = self.calls.acquire(client, Standing::Known);
        let permit =
            permit.map_err(|_| UNAVAILABLE.with_detail("too many calls of the client, or of all, wait for it"))?;
        let store = Arc::clone(&self.store);
        let joined = tokio::task::spawn_blocking(move || {
            let result = call(&*store);
            drop(permit);
            result
        });
        match tokio::time::timeout(MAX_WAIT, joined).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(StoreError::new(StoreErrorKind::Failed).with_detail("it panicked")),
            Err(_) => Err(UNAVAILABLE.with_detail("it did not answer within 10 s; the call goes on")),
        }
    }
}

fn put(
    store: &dyn Store,
    client: &str,
    digest: &[u8; 32],
    (tokens, expires_at): (&RevokedTokens, UnixTime),
    expired: UnixTime,
) -> Result<Insertion, StoreError> {
    match (store.put_notice(client, digest, tokens, expires_at, expired), tokens) {
        (Err(error), RevokedTokens::Token(id)) if error.kind() == StoreErrorKind::Unsupported => {
            store.insert_id(IdList::RevokedTokens, client, &AsyncStore::digest(id), expires_at, expired)
        }
        (stored, _) => stored,
    }
}

impl fmt::Debug for AsyncStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncStore").field(&self.store).finish()
    }
}
