//! A wall clock that is set ahead and back.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use countersign_core::clock::{Clock, UnixTime};
use countersign_core::mint::Draft;
use countersign_core::secret::Secret;
use countersign_issuer::{FileStore, Issuer, MemoryStore, PostgresStore, Store};
use countersign_test::ManualClock;
use countersign_tests::peers::Postgres;

use crate::direct::post;
use crate::store::{TempPath, is_active, issuer};

const DAY: Duration = Duration::from_secs(86_400);

fn mint(issuer: &Issuer) -> countersign_issuer::MintedToken {
    let draft = Draft::access_token().subject("ann").audience("orders").client_id("web");
    issuer.mint(&draft).expect("a token")
}

/// A revocation stands while the clock goes ahead and back, made before or meanwhile, with a list that was full.
async fn check_steps(store: Arc<dyn Store>) {
    let start = UnixTime::from_secs(1_700_000_000);
    let clock = ManualClock::new(start);
    let (issuer, credentials) = issuer(store, |builder| builder.clock(Arc::new(clock.clone())));
    let revoke = async |token: &str| post(&issuer, "/revoke", &credentials, &format!("token={token}")).await.0;
    let (before, meanwhile) = (mint(&issuer), mint(&issuer));
    assert_eq!(revoke(before.as_str()).await, StatusCode::OK);

    clock.step_wall(start.saturating_add(DAY));
    assert!(!is_active(&issuer, &credentials, meanwhile.as_str()).await, "expired, as it seems");
    assert_eq!(revoke(meanwhile.as_str()).await, StatusCode::OK);
    let mut refused = 0;
    for _ in 0..40 {
        refused += usize::from(revoke(mint(&issuer).as_str()).await != StatusCode::OK);
        clock.advance(Duration::from_secs(2));
    }
    assert!(refused > 0, "the list was full, and would have been swept by the wall clock");

    clock.step_wall(start.saturating_add(Duration::from_secs(90)));
    for token in [&before, &meanwhile] {
        assert!(clock.now() < token.expires_at());
        assert!(!is_active(&issuer, &credentials, token.as_str()).await, "an acknowledged revocation stands");
    }
    assert!(is_active(&issuer, &credentials, mint(&issuer).as_str()).await);

    // Behind, a token seems not valid yet. Its revocation stands too.
    let token = mint(&issuer);
    clock.step_wall(start.saturating_sub(DAY));
    assert_eq!(revoke(token.as_str()).await, StatusCode::SERVICE_UNAVAILABLE, "the list is still full");
    issuer.revoke_token(token.token_id(), token.expires_at()).expect("stored");
    clock.step_wall(start.saturating_add(Duration::from_secs(90)));
    assert!(!is_active(&issuer, &credentials, token.as_str()).await);
}

// S15.10: no clock step makes a list forget.
#[tokio::test]
async fn s15_10_revocations_in_memory_stand_through_clock_steps() {
    check_steps(Arc::new(MemoryStore::new().max_ids(20))).await;
}

// S15.10
#[tokio::test]
async fn s15_10_revocations_in_a_file_stand_through_clock_steps() {
    let path = TempPath::new("steps");
    check_steps(Arc::new(FileStore::open(&path.0).expect("a store").max_ids(20))).await;
}

// S15.10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgres), ignore = "needs PostgreSQL: tests/peers/install")]
async fn s15_10_revocations_in_a_database_stand_through_clock_steps() {
    let database = Postgres::start();
    let store = PostgresStore::connect(&Secret::from(database.settings())).expect("a store");
    check_steps(Arc::new(store.max_ids(20))).await;
}

#[tokio::test]
async fn s15_10_a_revocation_made_while_the_clock_is_behind_stands() {
    let start = UnixTime::from_secs(1_700_000_000);
    let clock = ManualClock::new(start);
    let (issuer, credentials) = issuer(Arc::new(MemoryStore::new()), |builder| builder.clock(Arc::new(clock.clone())));
    let token = mint(&issuer);
    clock.step_wall(start.saturating_sub(DAY));
    assert!(!is_active(&issuer, &credentials, token.as_str()).await, "not valid yet, as it seems");
    let form = format!("token={}", token.as_str());
    assert_eq!(post(&issuer, "/revoke", &credentials, &form).await.0, StatusCode::OK);
    clock.step_wall(start);
    assert!(!is_active(&issuer, &credentials, token.as_str()).await);
}

#[test]
fn s8_14_a_rotation_under_a_clock_years_ahead_does_not_stop_later_ones() {
    let start = UnixTime::from_secs(1_700_000_000);
    let clock = ManualClock::new(start);
    let (issuer, _) = issuer(Arc::new(MemoryStore::new()), |builder| builder.clock(Arc::new(clock.clone())));
    let first = mint(&issuer).key_id().to_owned();
    clock.step_wall(start.saturating_add(DAY * 3650));
    let next = issuer.rotate().expect("a key").key_id;
    clock.step_wall(start);
    assert_eq!(issuer.rotate().expect("the pending one").key_id, next);
    assert_eq!(mint(&issuer).key_id(), first);
    clock.advance(Duration::from_secs(421));
    assert_eq!(mint(&issuer).key_id(), next, "it signs after the usual time");
}
