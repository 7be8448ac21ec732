//! Rotations over a store that fails in the middle.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use countersign::clock::{Clock, SystemClock, UnixTime};
use countersign::prelude::*;
use countersign_apikey::{ApiKeyStore, ApiKeyStoreError, Changes, MemoryKeyStore, StoreFuture, StoredKey, router};
use countersign_test::TestIssuer;
use countersign_tests::http::Service;

use crate::shop::{builder, created, layer};

/// A store that fails after so many calls, before or after it has done what was asked.
#[derive(Debug)]
struct Breaking {
    keys: Arc<MemoryKeyStore>,
    calls_left: AtomicUsize,
    loses_answers: bool,
}

impl Breaking {
    fn new(loses_answers: bool) -> Self {
        Breaking { keys: Arc::default(), calls_left: AtomicUsize::new(usize::MAX), loses_answers }
    }

    fn fail_after(&self, calls: usize) {
        self.calls_left.store(calls, Ordering::SeqCst);
    }

    fn call<T: Send + 'static>(&self, call: impl FnOnce(&MemoryKeyStore) -> StoreFuture<T>) -> StoreFuture<T> {
        let count = |left: usize| left.checked_sub(1);
        let fails = self.calls_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, count).is_err();
        let done = (!fails || self.loses_answers).then(|| call(&self.keys));
        Box::pin(async move {
            let answer = match done {
                Some(done) => Some(done.await?),
                None => None,
            };
            answer.filter(|_| !fails).ok_or_else(|| ApiKeyStoreError::new("told to fail"))
        })
    }

    /// The ids of the keys that are valid now.
    async fn valid(&self) -> Vec<String> {
        let now = SystemClock.now().as_secs();
        let keys = self.keys.changes(0).await.expect("in memory").keys;
        let is_valid = |key: &StoredKey| key.revoked_at.is_none() && key.expires_at > now;
        keys.into_iter().filter(is_valid).map(|key| key.id).collect()
    }
}

impl ApiKeyStore for Breaking {
    fn changes(&self, after: u64) -> StoreFuture<Changes> {
        self.call(|keys| keys.changes(after))
    }

    fn put(&self, key: StoredKey) -> StoreFuture<bool> {
        self.call(|keys| keys.put(key))
    }

    fn remove(&self, id: String, version: u64) -> StoreFuture<bool> {
        self.call(|keys| keys.remove(id, version))
    }

    fn record_uses(&self, uses: Vec<(String, UnixTime)>) -> StoreFuture<()> {
        self.call(|keys| keys.record_uses(uses))
    }
}

/// What became of a rotation at which the store fails after so many calls.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The error names the new key if it may have been stored.
    Failed { names_key: bool },
    /// The caller has the new key, and an error if the old one may not end.
    Rotated { old_key_ends: bool },
}

async fn rotate(loses_answers: bool, calls: usize) -> Outcome {
    let store = Arc::new(Breaking::new(loses_answers));
    let keys = builder(Arc::clone(&store)).build().expect("keys");
    let old = created(&keys).await;
    let old_id = old.key().id().to_owned();
    store.fail_after(calls);
    let result = keys.rotate(&old_id, Duration::ZERO).await;
    let valid = store.valid().await;
    let unknown = |known: &[&str]| valid.iter().any(|id| !known.contains(&id.as_str()));
    match result {
        Err(error) => {
            assert_eq!(error.code(), "store_unavailable", "after {calls} calls: {error}");
            assert!(valid.contains(&old_id), "after {calls} calls, the client has the key that it had");
            assert!(
                !unknown(&[&old_id, error.key_id().unwrap_or_default()]),
                "after {calls} calls: {valid:?}, {error}"
            );
            Outcome::Failed { names_key: error.key_id().is_some() }
        }
        Ok(rotated) => {
            let new = rotated.created().key().id().to_owned();
            assert!(valid.contains(&new), "after {calls} calls, what was handed over is good");
            assert!(!unknown(&[&old_id, &new]), "after {calls} calls: {valid:?}");
            let old_key_ends = rotated.old_key().is_ok();
            if old_key_ends {
                assert_eq!(valid, [new], "after {calls} calls, the old key has ended");
            } else {
                store.fail_after(usize::MAX);
                keys.revoke(&old_id).await.expect("the store works again");
                assert_eq!(store.valid().await, [new], "the rotation can be completed");
            }
            Outcome::Rotated { old_key_ends }
        }
    }
}

#[tokio::test]
async fn s13_10_a_store_that_fails_in_the_middle_of_a_rotation_loses_no_text_and_leaves_no_unknown_key() {
    for loses_answers in [false, true] {
        let mut outcomes = Vec::new();
        for calls in 0.. {
            outcomes.push(rotate(loses_answers, calls).await);
            if outcomes.last() == Some(&Outcome::Rotated { old_key_ends: true }) {
                break;
            }
        }
        let steps = [
            Outcome::Failed { names_key: false },
            Outcome::Failed { names_key: true },
            Outcome::Rotated { old_key_ends: false },
            Outcome::Rotated { old_key_ends: true },
        ];
        for step in &steps {
            assert!(outcomes.contains(step), "{step:?} is not in {outcomes:?}");
        }
        assert!(outcomes.len() < 10, "{outcomes:?}");
    }
}

#[tokio::test]
async fn s13_10_the_router_hands_over_the_next_key_even_if_the_old_one_may_not_end() {
    let issuer = TestIssuer::new();
    let store = Arc::new(Breaking::new(false));
    let keys = builder(Arc::clone(&store)).build().expect("keys");
    let routes = router(keys.clone(), "orders", scope("api-keys:manage"));
    let service = Service::start(Router::new().nest("/api-keys", routes).layer(layer(&keys, &issuer))).await;
    let manager = issuer.token().audience("orders").scope("api-keys:manage orders:read").sign();
    let authorization = format!("Authorization: Bearer {manager}");
    let mut found = Vec::new();
    for calls in 0..10 {
        store.fail_after(usize::MAX);
        let old = created(&keys).await;
        store.fail_after(calls);
        let answer = service.request(&format!("POST /api-keys/{}/rotate", old.key().id()), &[&authorization]).await;
        let text = answer.json()["key"].as_str().is_some_and(|text| text.starts_with("shop_"));
        found.push((answer.status, text, answer.json()["old_key_error"].as_str().map(str::to_owned)));
    }
    for expected in [(503, false, None), (201, true, Some("store_unavailable".to_owned())), (201, true, None)] {
        assert!(found.contains(&expected), "{expected:?} is not in {found:?}");
    }
    assert!(found.iter().all(|(status, text, _)| (*status == 201) == *text), "{found:?}");
}
