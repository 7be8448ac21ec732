//! Keys that the store does not have any more, or that another instance removed, sign and verify nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::StatusCode;
use countersign_core::clock::Clock;
use countersign_core::key::Algorithm;
use countersign_core::mint::Draft;
use countersign_issuer::{
    Audience, FileStore, Issuer, IssuerMetrics, MemoryStore, MintError, Store, StoreKey, StoredKeys,
};

use crate::direct::{CC, post};
use crate::fresh::{Blocking, Reset, clock, verifier};
use crate::store::{TempPath, issuer, jwks_status, mint};

/// Keys that are gone from the store, that are older or others than those in use, or newer ones that cannot be used, end the
/// use of the current ones. An outage of the store afterwards changes nothing.
async fn check_reset(is_blocking: bool, problem: &str, reset: impl Fn(StoredKeys) -> Reset) {
    let clock = clock();
    let store = Arc::new(Blocking::new(is_blocking));
    let (issuer, credentials) = issuer(store.clone(), |builder| builder.clock(Arc::new(clock.clone())));
    issuer.rotate_now().expect("a second version");
    let verifier = verifier(&issuer, &clock);
    let token = mint(&issuer);
    let ask = async |path: &str, token: &str| post(&issuer, path, &credentials, &format!("token={token}")).await.0;
    assert_eq!(ask("/introspect", token.as_str()).await, StatusCode::OK);
    *store.reset.lock().expect("no panic") = Some(reset(store.written()));
    for second in (5..=60).step_by(5) {
        clock.advance(Duration::from_secs(5));
        let status = post(&issuer, "/token", &credentials, CC).await.0;
        assert_eq!(status == StatusCode::OK, second < 60, "{problem}: {second} s after the last good read: {status}");
        let _ = verifier.verify(token.as_str()).await;
    }
    let error = issuer.rotate().expect_err("an error");
    assert!(error.to_string().contains(problem), "{error}");
    for is_down in [false, true, false] {
        store.fails.store(is_down, Ordering::Relaxed);
        clock.advance(Duration::from_secs(5));
        let draft = Draft::access_token().subject("ann").audience("orders").client_id("web");
        assert_eq!(issuer.mint(&draft).expect_err("a minute later"), MintError::KeysWithdrawn, "{problem}: {is_down}");
        assert_eq!(post(&issuer, "/token", &credentials, CC).await.0, StatusCode::SERVICE_UNAVAILABLE);
        for path in ["/introspect", "/revoke"] {
            assert_eq!(ask(path, token.as_str()).await, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        }
        assert_eq!(jwks_status(&issuer).await, StatusCode::SERVICE_UNAVAILABLE);
        assert!(verifier.verify(token.as_str()).await.expect_err("no keys").is_unavailable());
    }

    *store.reset.lock().expect("no panic") = None;
    clock.advance(Duration::from_secs(5));
    assert_eq!(post(&issuer, "/token", &credentials, CC).await.0, StatusCode::OK, "the keys are there again");
    assert!(verifier.verify(token.as_str()).await.is_ok());
}

const RESTART: &str = "restart every instance";

// S4.07
#[tokio::test]
async fn s4_07_keys_that_are_gone_from_the_store_sign_and_verify_nothing_after_a_minute() {
    for is_blocking in [false, true] {
        check_reset(is_blocking, RESTART, |_| Reset::Removed).await;
    }
}

// S4.07
#[tokio::test]
async fn s4_07_older_or_other_keys_in_the_store_end_the_use_of_the_current_ones() {
    for is_blocking in [false, true] {
        check_reset(is_blocking, RESTART, |stored| Reset::Replaced(StoredKeys::new(1, stored.keys))).await;
        check_reset(is_blocking, RESTART, |mut stored| {
            stored.keys.push(b' ');
            Reset::Replaced(stored)
        })
        .await;
    }
}

/// The keys that an issuer stores.
fn keys_of(name: &str, algorithm: Algorithm, store_key: Option<StoreKey>) -> Vec<u8> {
    let store = Arc::new(MemoryStore::new());
    let mut builder = Issuer::builder(name).add_audience(Audience::new("orders"));
    builder = builder.algorithm(algorithm).store(store.clone());
    if let Some(key) = store_key {
        builder = builder.store_key(key);
    }
    builder.build().expect("sound");
    store.keys().expect("readable").expect("written").keys
}

// S4.07
#[tokio::test]
async fn s4_07_newer_keys_that_cannot_be_used_end_the_use_of_the_current_ones() {
    let name = "https://issuer.test";
    let store_key = StoreKey::parse(&StoreKey::generate().expect("a key")).expect("a key");
    for (keys, problem) in [
        (Some(b"{}".to_vec()), "not readable"),
        (Some(keys_of(name, Algorithm::ES256, Some(store_key))), "are sealed"),
        (Some(keys_of("https://other.test", Algorithm::ES256, None)), "belong to another issuer"),
        (Some(keys_of(name, Algorithm::EdDSA, None)), "another algorithm"),
        (None, "no active key"),
    ] {
        for is_blocking in [false, true] {
            check_reset(is_blocking, problem, |stored| {
                let inactive =
                    || String::from_utf8_lossy(&stored.keys).replace(r#""active""#, r#"{"retiring":{"until":9}}"#);
                let keys = keys.clone().unwrap_or_else(|| inactive().into_bytes());
                Reset::Replaced(StoredKeys::new(stored.version + 1, keys))
            })
            .await;
        }
    }
}

// S15.10
#[tokio::test]
async fn s15_10_a_removal_that_was_read_counts_although_the_change_after_it_failed() {
    let clock = clock();
    let store = Arc::new(Blocking::new(false));
    let instance = || issuer(store.clone(), |builder| builder.clock(Arc::new(clock.clone()))).0;
    let (one, other) = (instance(), instance());
    let verifier = verifier(&other, &clock);
    let leaked = mint(&other);
    assert_eq!(one.revoke_key(leaked.key_id()), Ok(true));
    store.is_read_only.store(true, Ordering::Relaxed);
    let _ = other.rotate().expect_err("it cannot be written");
    assert!(verifier.verify(leaked.as_str()).await.is_err());
    clock.advance(Duration::from_secs(5));
    assert_ne!(mint(&other).key_id(), leaked.key_id());
    assert!(verifier.verify(leaked.as_str()).await.is_err());
}

// S15.02
#[test]
fn s15_02_a_silent_store_holds_up_neither_metrics_nor_a_list_of_the_keys() {
    let clock = clock();
    let store = Arc::new(Blocking::new(true));
    let (issuer, _) = issuer(store.clone(), |builder| builder.clock(Arc::new(clock.clone())));
    let metrics = IssuerMetrics::new(&issuer);
    store.is_slow.store(true, Ordering::Relaxed);
    let calls = store.calls.load(Ordering::Relaxed);
    let rotating = std::thread::spawn({
        let issuer = issuer.clone();
        move || issuer.rotate()
    });
    while store.calls.load(Ordering::Relaxed) == calls {
        std::thread::yield_now();
    }
    let start = std::time::Instant::now();
    assert_eq!(issuer.keys().len(), 1);
    assert!(format!("{issuer:?}").contains("Active"));
    metrics.publish();
    assert!(start.elapsed() < Duration::from_secs(1), "nobody waits: {:?}", start.elapsed());
    rotating.join().expect("no panic").expect("a key");
    assert_eq!(issuer.keys().len(), 2);
}

// S4.07, S8.15: redb goes on with the file that it has opened.
#[tokio::test]
async fn s4_07_s8_15_the_store_of_a_file_that_was_deleted_or_replaced_is_not_used() {
    for is_replaced in [false, true] {
        let (clock, path, backup) = (clock(), TempPath::new("gone"), TempPath::new("backup"));
        let store = Arc::new(FileStore::open(&path.0).expect("a file"));
        let (issuer, credentials) = issuer(store.clone(), |builder| builder.clock(Arc::new(clock.clone())));
        let verifier = verifier(&issuer, &clock);
        let token = mint(&issuer);
        let introspect =
            async || post(&issuer, "/introspect", &credentials, &format!("token={}", token.as_str())).await.0;
        assert_eq!(introspect().await, StatusCode::OK);
        std::fs::copy(&path.0, &backup.0).expect("copied");
        match is_replaced {
            true => std::fs::rename(&backup.0, &path.0).expect("replaced"),
            false => std::fs::remove_file(&path.0).expect("deleted"),
        }

        let end = clock.now().saturating_add(Duration::from_secs(300));
        let _ = issuer.revoke_token(token.token_id(), end).expect_err("it would be lost at the next start");
        let _ = store.put_secret_hash("web", "hash").expect_err("lost too");
        assert_eq!(introspect().await, StatusCode::SERVICE_UNAVAILABLE);
        let error = issuer.rotate().expect_err("an error").to_string();
        let what = if is_replaced { "the file was replaced" } else { "the file was deleted" };
        assert!(error.contains(RESTART) && error.contains(what), "{error}");
        for _ in 0..12 {
            clock.advance(Duration::from_secs(5));
            let _ = post(&issuer, "/token", &credentials, CC).await;
        }
        let draft = Draft::access_token().subject("ann").audience("orders").client_id("web");
        assert_eq!(issuer.mint(&draft).expect_err("a minute later"), MintError::KeysWithdrawn);
        assert!(verifier.verify(token.as_str()).await.expect_err("no keys").is_unavailable());
    }
}
