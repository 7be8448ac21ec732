//! Stores that cannot be read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use countersign::clock::UnixTime;
use countersign_apikey::{ApiKeyStore, ApiKeyStoreError, Changes, MemoryKeyStore, StoreFuture, StoredKey};
use countersign_test::TestIssuer;

use crate::shop::{builder, created, got, service};

/// A store that fails when it is told to, and counts its reads.
#[derive(Debug, Default)]
pub struct Failing {
    keys: MemoryKeyStore,
    fails: AtomicBool,
    reads: AtomicUsize,
}

impl Failing {
    pub fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }
}

impl ApiKeyStore for Failing {
    fn changes(&self, after: u64) -> StoreFuture<Changes> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        match self.fails.load(Ordering::SeqCst) {
            true => Box::pin(async { Err(ApiKeyStoreError::new("told to fail")) }),
            false => self.keys.changes(after),
        }
    }

    fn put(&self, key: StoredKey) -> StoreFuture<bool> {
        self.keys.put(key)
    }

    fn remove(&self, id: String, version: u64) -> StoreFuture<bool> {
        self.keys.remove(id, version)
    }

    fn record_uses(&self, uses: Vec<(String, UnixTime)>) -> StoreFuture<()> {
        self.keys.record_uses(uses)
    }
}

#[tokio::test]
async fn while_the_store_fails_known_keys_are_taken_for_their_greatest_age_and_then_it_is_503() {
    let issuer = TestIssuer::new();
    let store = Arc::new(Failing::default());
    let keys = builder(Arc::clone(&store)).max_age(Duration::from_secs(60)).build().expect("keys");
    let service = service(&keys, &issuer).await;
    let known = created(&keys).await;
    assert_eq!(got(&service, known.text().expose()).await.status, 200);
    store.fail(true);
    for _ in 0..11 {
        issuer.clock().advance(Duration::from_secs(5));
        assert_eq!(got(&service, known.text().expose()).await.status, 200, "of what was read last");
    }
    issuer.clock().advance(Duration::from_secs(6));
    let answer = got(&service, known.text().expose()).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "api_keys_unavailable"));
    assert_eq!((answer.header("retry-after"), answer.challenge()), (Some("1"), ""));
    store.fail(false);
    issuer.clock().advance(Duration::from_secs(1));
    assert_eq!(got(&service, known.text().expose()).await.status, 200, "without a restart");
}

#[tokio::test]
async fn a_key_that_is_not_known_is_503_while_the_store_fails_and_401_otherwise() {
    let issuer = TestIssuer::new();
    let store = Arc::new(Failing::default());
    let keys = builder(Arc::clone(&store)).build().expect("keys");
    let service = service(&keys, &issuer).await;
    let known = created(&keys).await;
    let unknown = created(&crate::shop::in_memory()).await;
    assert_eq!(got(&service, known.text().expose()).await.status, 200);
    issuer.clock().advance(Duration::from_secs(1));
    assert_eq!(got(&service, unknown.text().expose()).await.status, 401);
    store.fail(true);
    issuer.clock().advance(Duration::from_secs(1));
    for _ in 0..3 {
        assert_eq!(got(&service, unknown.text().expose()).await.status, 503);
    }
    assert_eq!(got(&service, known.text().expose()).await.status, 200);
}

#[tokio::test]
async fn s15_01_invented_keys_cause_one_read_a_second_and_delay_no_known_key() {
    let issuer = TestIssuer::new();
    let store = Arc::new(Failing::default());
    let keys = builder(Arc::clone(&store)).build().expect("keys");
    let service = service(&keys, &issuer).await;
    let known = created(&keys).await;
    let other = crate::shop::in_memory();
    let mut invented = Vec::new();
    for _ in 0..50 {
        invented.push(created(&other).await);
    }
    assert_eq!(got(&service, known.text().expose()).await.status, 200);
    let before = store.reads.load(Ordering::SeqCst);
    for _ in 0..2 {
        issuer.clock().advance(Duration::from_secs(1));
        for key in &invented {
            assert_eq!(got(&service, key.text().expose()).await.status, 401);
        }
        assert_eq!(got(&service, known.text().expose()).await.status, 200);
    }
    assert_eq!(store.reads.load(Ordering::SeqCst) - before, 2);
}

#[tokio::test]
async fn ten_thousand_requests_without_keys_in_memory_are_one_read() {
    let issuer = TestIssuer::new();
    let store = Arc::new(Failing::default());
    let keys = builder(Arc::clone(&store)).build().expect("keys");
    crate::shop::layer(&keys, &issuer); // for its clock
    let known = created(&keys).await;
    let fresh = builder(Arc::clone(&store)).build().expect("keys");
    let app = crate::shop::app(&fresh, &issuer);
    store.reads.store(0, Ordering::SeqCst);
    let header = format!("Bearer {}", known.text().expose());
    let call = || {
        let request = axum::http::Request::get("/orders").header("authorization", &header);
        tower::ServiceExt::oneshot(app.clone(), request.body(axum::body::Body::empty()).expect("a request"))
    };
    let answers = futures_util::future::join_all((0..10_000).map(|_| call())).await;
    let statuses: Vec<u16> = answers.into_iter().map(|answer| answer.expect("an answer").status().as_u16()).collect();
    assert_eq!(store.reads.load(Ordering::SeqCst), 1);
    let good = statuses.iter().filter(|status| **status == 200).count();
    assert!(good >= 1024 && statuses.iter().all(|status| [200, 503].contains(status)), "{good} good");
}

/// A store whose reads panic.
#[derive(Debug, Default)]
struct Panicking(AtomicUsize);

impl ApiKeyStore for Panicking {
    fn changes(&self, _: u64) -> StoreFuture<Changes> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { panic!("a fault of the store") })
    }

    fn put(&self, _: StoredKey) -> StoreFuture<bool> {
        Box::pin(async { Ok(true) })
    }

    fn remove(&self, _: String, _: u64) -> StoreFuture<bool> {
        Box::pin(async { Ok(true) })
    }

    fn record_uses(&self, _: Vec<(String, UnixTime)>) -> StoreFuture<()> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn s11_13_a_panic_of_the_store_is_503_and_pauses_its_reads() {
    let issuer = TestIssuer::new();
    let store = Arc::new(Panicking::default());
    let service = service(&builder(Arc::clone(&store)).build().expect("keys"), &issuer).await;
    let key = created(&crate::shop::in_memory()).await;
    for _ in 0..5 {
        assert_eq!(got(&service, key.text().expose()).await.status, 503);
    }
    assert_eq!(store.0.load(Ordering::SeqCst), 1);
    issuer.clock().advance(Duration::from_secs(1));
    assert_eq!(got(&service, key.text().expose()).await.status, 503);
    assert_eq!(store.0.load(Ordering::SeqCst), 2);
}
