//! The store as endpoints use it: never on the runtime's threads, and no answer where it fails.

use std::fmt;
use std::sync::Arc;

use countersign_core::clock::UnixTime;
use countersign_core::secret::sha256;

use crate::audit;
use crate::endpoint::OAuthError;
use crate::store::{List, Remembered, Store, StoreError};

/// The issuer's store.
#[derive(Clone)]
pub(crate) struct State(Arc<dyn Store>);

impl State {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        State(store)
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.0
    }

    /// Names are kept as digests, so that a name's length costs nothing.
    pub(crate) fn name(name: &str) -> [u8; 32] {
        sha256(name)
    }

    pub(crate) async fn remember(
        &self,
        list: List,
        name: &str,
        ends: UnixTime,
        now: UnixTime,
    ) -> Result<Remembered, OAuthError> {
        let name = State::name(name);
        self.ask(move |store| store.remember(list, &name, ends, now)).await
    }

    pub(crate) async fn remembers(&self, list: List, name: &str) -> Result<bool, OAuthError> {
        let name = State::name(name);
        self.ask(move |store| store.remembers(list, &name)).await
    }

    /// Fails closed: 503 where the store fails.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, OAuthError> {
        let answer = if self.0.is_quick() {
            question(&*self.0)
        } else {
            let store = Arc::clone(&self.0);
            let asked = tokio::task::spawn_blocking(move || question(&*store)).await;
            asked.unwrap_or(Err(StoreError::fixed("it panicked")))
        };
        answer.map_err(|error| {
            audit::store_failed(&error);
            OAuthError::busy()
        })
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("State").field(&self.0).finish()
    }
}
