//! The store as async code calls it.

use std::fmt;
use std::sync::Arc;

use countersign_core::clock::UnixTime;
use countersign_core::integration::sha256;

use super::{IdList, Insertion, Store, StoreError, StoreErrorKind};
use crate::audit;

/// Calls a blocking store off the runtime's threads and logs its failures.
#[derive(Clone)]
pub(crate) struct AsyncStore(Arc<dyn Store>);

impl AsyncStore {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        AsyncStore(store)
    }

    /// The store itself, for calls that may block.
    pub(crate) fn blocking(&self) -> &Arc<dyn Store> {
        &self.0
    }

    /// The stored form of an id: a digest, so that long ids take no more space.
    pub(crate) fn digest(id: &str) -> [u8; 32] {
        sha256(id)
    }

    pub(crate) async fn insert_id(
        &self,
        list: IdList,
        id: &str,
        expires_at: UnixTime,
        now: UnixTime,
    ) -> Result<Insertion, StoreError> {
        let digest = AsyncStore::digest(id);
        self.call(move |store| store.insert_id(list, &digest, expires_at, now)).await
    }

    pub(crate) async fn contains_id(&self, list: IdList, id: &str) -> Result<bool, StoreError> {
        let digest = AsyncStore::digest(id);
        self.call(move |store| store.contains_id(list, &digest)).await
    }

    pub(crate) async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let result = if self.0.is_blocking() {
            let store = Arc::clone(&self.0);
            let joined = tokio::task::spawn_blocking(move || call(&*store)).await;
            joined.unwrap_or_else(|_| Err(StoreError::new(StoreErrorKind::Failed).with_detail("it panicked")))
        } else {
            call(&*self.0)
        };
        result.inspect_err(|error| audit::store_failed(error))
    }
}

impl fmt::Debug for AsyncStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncStore").field(&self.0).finish()
    }
}
