//! A wall clock that is set ahead and back.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use countersign_core::clock::{Clock, UnixTime};
use countersign_core::key::Algorithm;
use countersign_core::mint::{Draft, Signer};
use countersign_core::secret::Secret;
use countersign_core::verify::Verifier;
use countersign_issuer::{Client, FileStore, Issuer, IssuerBuilder, KeyState, MemoryStore, PostgresStore, Store};
use countersign_test::ManualClock;
use countersign_tests::peers::Postgres;
use serde_json::json;

use crate::direct::{CC, post};
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

/// An instance that starts with its clock ahead makes no revoked token active again, and no used assertion usable.
async fn check_start_ahead(open: &dyn Fn(u64) -> Arc<dyn Store>) {
    let start = UnixTime::from_secs(1_700_000_000);
    let clock = ManualClock::new(start);
    let key = Signer::generate(Algorithm::ES256).expect("a key");
    let jwks = json!({ "keys": [key.public_jwk()] }).to_string();
    let settings = |clock: &ManualClock| {
        let clock = Arc::new(clock.clone());
        let client = Client::new("keyed").public_keys(jwks.clone()).audiences(["orders"]);
        move |builder: IssuerBuilder| builder.clock(clock).add_client(client)
    };
    let (right, credentials) = issuer(open(0), settings(&clock));
    let stolen = mint(&right);
    let form = |token: &str| format!("token={token}");
    assert_eq!(post(&right, "/revoke", &credentials, &form(stolen.as_str())).await.0, StatusCode::OK);
    let draft = Draft::with_type("client-authentication+jwt").issuer("keyed").subject("keyed").audience(right.name());
    let draft = draft.expires_at(start.saturating_add(Duration::from_secs(60))).token_id("once");
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let used = format!("{CC}&client_assertion_type={kind}&client_assertion={}", draft.sign(&key).expect("signed"));
    assert_eq!(post(&right, "/token", "", &used).await.0, StatusCode::OK);

    let ahead = ManualClock::new(start.saturating_add(DAY));
    let (wrong, wrong_credentials) = issuer(open(1), settings(&ahead));
    for n in 0..40 {
        // A full list is swept.
        wrong.revoke_token(&format!("{n}"), ahead.now().saturating_add(DAY)).ok();
        let _ = post(&wrong, "/revoke", &wrong_credentials, &form(mint(&wrong).as_str())).await;
        let signed = |n: usize| {
            let draft = Draft::with_type("client-authentication+jwt").issuer("keyed").subject("keyed");
            let draft = draft.audience(wrong.name()).token_id(format!("{n}"));
            draft.expires_at(ahead.now().saturating_add(Duration::from_secs(60))).sign(&key).expect("signed")
        };
        let assertion = format!("{CC}&client_assertion_type={kind}&client_assertion={}", signed(n));
        let _ = post(&wrong, "/token", "", &assertion).await;
    }
    drop(wrong);
    clock.advance(Duration::from_secs(5));
    let (status, _, body) = post(&right, "/introspect", &credentials, &form(stolen.as_str())).await;
    assert!(status == StatusCode::SERVICE_UNAVAILABLE || body["active"] == false, "{status} {body}");
    let exchange = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&audience=orders\
                    &subject_token_type=urn:ietf:params:oauth:token-type:access_token";
    let (status, ..) =
        post(&right, "/token", &credentials, &format!("{exchange}&subject_token={}", stolen.as_str())).await;
    assert_ne!(status, StatusCode::OK);
    assert_ne!(post(&right, "/token", "", &used).await.0, StatusCode::OK, "used before");
}

// S15.10: an instance that starts with its clock ahead.
#[tokio::test]
async fn s15_10_an_instance_that_starts_ahead_restores_no_revoked_token_in_memory() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new().max_ids(20));
    check_start_ahead(&|_| Arc::clone(&store)).await;
}

// S15.10
#[tokio::test]
async fn s15_10_an_instance_that_starts_ahead_restores_no_revoked_token_in_a_file() {
    let path = TempPath::new("start-ahead");
    let store: Arc<dyn Store> = Arc::new(FileStore::open(&path.0).expect("a store").max_ids(20));
    check_start_ahead(&|_| Arc::clone(&store)).await;
}

// S15.10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgres), ignore = "needs PostgreSQL: tests/peers/install")]
async fn s15_10_an_instance_that_starts_ahead_restores_no_revoked_token_in_a_database() {
    let database = Postgres::start();
    let settings = Secret::from(database.settings());
    check_start_ahead(&|_| Arc::new(PostgresStore::connect(&settings).expect("a store").max_ids(20))).await;
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

/// The clock of one of two instances is wrong for one maintenance, while it runs or from its start on.
async fn check_wrong_clock(wrong: UnixTime, starts_wrong: bool) {
    let start = UnixTime::from_secs(1_700_000_000);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let clock = ManualClock::new(start);
    let other_clock = ManualClock::new(if starts_wrong { wrong } else { start });
    let open = |clock: &ManualClock| issuer(Arc::clone(&store), |builder| builder.clock(Arc::new(clock.clone()))).0;
    let right = open(&clock);
    let verifier = Verifier::builder().trust(right.trusted_for("orders")).clock(Arc::new(clock.clone())).build();
    let verifier = verifier.expect("sound");
    let first = mint(&right);
    right.rotate_now().expect("a key");
    let second = mint(&right);
    let third = right.rotate().expect("a pending key").key_id;
    let other = open(&other_clock);
    let pass = |seconds| {
        for clock in [&clock, &other_clock] {
            clock.advance(Duration::from_secs(seconds));
        }
    };
    other_clock.step_wall(wrong);
    pass(5);
    let _ = mint(&other);
    other_clock.step_wall(clock.now());
    pass(5);
    let _ = mint(&other);
    let _ = mint(&right);
    let context = format!("{wrong:?}, from the start: {starts_wrong}");
    let state = |id: &str| right.keys().into_iter().find(|key| key.key_id == id).map(|key| key.state);
    assert!(matches!(state(first.key_id()), Some(KeyState::Retiring { .. })), "{context}");
    assert_eq!(state(second.key_id()), Some(KeyState::Active), "no cache may have the next key, {context}");
    for token in [&first, &second] {
        assert!(verifier.verify(token.as_str()).await.is_ok(), "{context}");
    }

    // The pending key signs at its time, and the one before stays for its tokens.
    pass(400);
    let last = mint(&right);
    assert_eq!((last.key_id(), state(&third).is_some()), (second.key_id(), true), "{context}");
    pass(15);
    let _ = mint(&other);
    pass(5);
    assert_eq!(mint(&right).key_id(), third, "{context}");
    pass(200);
    let _ = mint(&other);
    let _ = mint(&right);
    assert!(verifier.verify(last.as_str()).await.is_ok(), "{context}");
}

#[tokio::test]
async fn s8_14_s8_15_a_wrong_clock_at_one_instance_removes_and_activates_no_key() {
    let start = UnixTime::from_secs(1_700_000_000);
    let wrong = [start.saturating_add(Duration::from_secs(7200)), start.saturating_add(DAY * 3650)];
    let behind = [start.saturating_sub(Duration::from_secs(3 * 3600)), UnixTime::from_secs(1_000)];
    for wrong in wrong.into_iter().chain(behind) {
        for starts_wrong in [false, true] {
            check_wrong_clock(wrong, starts_wrong).await;
        }
    }
}
