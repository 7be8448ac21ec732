//! The revocations that receivers learn of, in a store.

use std::fmt;
use std::sync::Arc;

use countersign_core::clock::{Clock, SystemClock};
use countersign_core::error::ConfigError;
use countersign_core::revocation::{
    ChangeFuture, LogFuture, RevocationLog, RevocationNotice, RevocationSink, SinkError, SinkFuture,
};

use super::revocation::RevocationError;
use super::revocations::{Revocations, page_of};
use crate::store::{AsyncStore, Store, StoreError};

/// Keeps the revocations that a service learns of from one provider, durably: those of back-channel logout and of shared signals.
///
/// It is the sink of the receivers, which answer 2xx only after a revocation is stored, and 503 if the store has no room or does not
/// answer, so that the provider sends it again. And it is the durable list that a publisher reads, so that all instances of all
/// services learn of them, and a stream that has lost its data is filled in again.
///
/// The store has the revocations of one provider and nothing else: give each provider a file, or a schema or database of its own.
/// The instances that receive may share it.
///
/// ```no_run
/// use std::{sync::Arc, time::Duration};
/// use axum::Router;
/// use countersign_core::secret::Secret;
/// use countersign_issuer::{PostgresStore, ReceivedRevocations};
///
/// # use countersign_core::revocation::{RevocationLog, RevocationSink};
/// # fn receiver(_: impl RevocationSink) {}
/// # fn publisher(_: impl RevocationLog) {}
/// let store = PostgresStore::connect(&Secret::from_env("RECEIVED_DATABASE")?)?;
/// let received = ReceivedRevocations::open(Arc::new(store), "https://id.example.com")?;
/// receiver(received.clone()); // countersign::receivers::LogoutReceiver, SignalReceiver
/// publisher(received); // countersign_redis::RevocationStream::publish
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct ReceivedRevocations {
    issuer: Arc<str>,
    revocations: Arc<Revocations>,
}

impl ReceivedRevocations {
    /// Opens the list of revocations of `issuer`, the provider, in this store. Blocks if the store does.
    ///
    /// # Errors
    /// `ConfigError` if the store fails, or has the state of an issuer or the revocations of another provider.
    pub fn open(store: Arc<dyn Store>, issuer: impl Into<String>) -> Result<Self, ConfigError> {
        Self::open_with_clock(store, issuer, Arc::new(SystemClock))
    }

    /// As [`open`](Self::open), with this clock in place of the system's.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with_clock(
        store: Arc<dyn Store>,
        issuer: impl Into<String>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        let issuer: String = issuer.into();
        if issuer.is_empty() {
            return Err(ConfigError::new("issuer", "is empty; name the provider whose revocations are received"));
        }
        claim(&*store, &issuer)?;
        let revocations = Arc::new(Revocations::new(AsyncStore::new(store, clock), Vec::new()));
        Ok(ReceivedRevocations { issuer: issuer.into(), revocations })
    }

    async fn store(&self, notice: RevocationNotice) -> Result<(), SinkError> {
        if *notice.issuer() != *self.issuer {
            return Err(SinkError::Unavailable("the store is that of another provider".to_owned()));
        }
        self.revocations.revoke("", &notice).await.map_err(|error| match error {
            RevocationError::Full => SinkError::Full,
            error => SinkError::Unavailable(error.to_string()),
        })
    }
}

/// Marks the store as that of this provider, in the place where an issuer has its keys: neither takes the store of the other.
fn claim(store: &dyn Store, issuer: &str) -> Result<(), ConfigError> {
    let failed = |error: StoreError| ConfigError::new("store", error.to_string());
    let mark = format!("countersign: the revocations received from {issuer}").into_bytes();
    store.replace_keys(0, &mark).map_err(failed)?; // without effect if there is one
    match store.keys().map_err(failed)? {
        Some(found) if found.keys == mark => Ok(()),
        _ => {
            let problem = "has the state of an issuer or the revocations of another provider; give it a file, schema or database of \
                           its own";
            Err(ConfigError::new("store", problem))
        }
    }
}

/// Stores a revocation: `Ok` means that it outlives this process and whatever distributes it. One of another issuer is refused.
impl RevocationSink for ReceivedRevocations {
    fn revoke(&self, notice: RevocationNotice) -> SinkFuture {
        let received = self.clone();
        Box::pin(async move { received.store(notice).await })
    }
}

/// The revocations in the store.
impl RevocationLog for ReceivedRevocations {
    fn read(&self, after: u64) -> LogFuture {
        let received = self.clone();
        Box::pin(async move { page_of(&received.revocations, &received.issuer, after).await })
    }

    fn changed(&self) -> ChangeFuture {
        self.revocations.changed()
    }
}

impl fmt::Debug for ReceivedRevocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedRevocations").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::clock::UnixTime;

    use super::*;
    use crate::Issuer;
    use crate::store::MemoryStore;

    const PROVIDER: &str = "https://id.example.com";

    #[tokio::test]
    async fn s14_12_what_was_received_is_in_the_store_for_the_next_process() {
        let store = Arc::new(MemoryStore::new());
        let open = || ReceivedRevocations::open(Arc::<MemoryStore>::clone(&store), PROVIDER).expect("a list");
        let received = open();
        let changed = received.changed();
        let notice =
            |issuer| RevocationNotice::session(issuer, "s1", UnixTime::from_secs(4_000_000_000)).expect("valid");
        assert_eq!(received.revoke(notice(PROVIDER)).await, Ok(()));
        changed.await;
        let page = open().read(0).await.expect("a page");
        assert_eq!((page.notices(), page.is_last()), (&[notice(PROVIDER)][..], true));
        let foreign = received.revoke(notice("https://other.example.com")).await;
        assert!(matches!(foreign, Err(SinkError::Unavailable(_))), "{foreign:?}");
        assert_eq!(open().read(0).await.expect("a page").notices().len(), 1);
    }

    #[test]
    fn s15_05_a_store_has_the_revocations_of_one_provider_and_no_issuer() {
        let open = |store: &Arc<MemoryStore>, issuer: &str| {
            ReceivedRevocations::open(Arc::<MemoryStore>::clone(store), issuer)
                .map(drop)
                .map_err(|error| error.to_string())
        };
        let store = Arc::new(MemoryStore::new());
        assert_eq!((open(&store, PROVIDER), open(&store, PROVIDER)), (Ok(()), Ok(())), "two instances");
        for other in ["https://other.example.com", ""] {
            assert!(open(&store, other).is_err(), "{other}");
        }
        let builder = |store: &Arc<MemoryStore>| {
            Issuer::builder("http://127.0.0.1:4000").store(Arc::<MemoryStore>::clone(store)).build()
        };
        assert!(builder(&store).is_err(), "an issuer does not take it");
        let of_issuer = Arc::new(MemoryStore::new());
        assert!(builder(&of_issuer).is_ok());
        let fault = open(&of_issuer, PROVIDER).expect_err("not that of an issuer");
        assert!(fault.contains("of its own"), "{fault}");
    }
}
