//! Shares: no client, and nobody without a credential, uses up what belongs to all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use countersign_core::clock::{Clock, UnixTime};
use countersign_core::key::Algorithm;
use countersign_core::mint::{Draft, Signer};
use countersign_core::secret::Secret;
use countersign_issuer::{
    Audience, Client, FileStore, IdList, Insertion, Issuer, MemoryStore, PostgresStore, SecretHash, Store,
};
use countersign_test::ManualClock;
use countersign_tests::peers::Postgres;
use serde_json::json;

use crate::direct::{CC, basic, post, token};
use crate::fresh::Blocking;
use crate::service::SECRET;
use crate::store::TempPath;

const NAME: &str = "https://issuer.test";

/// The number of wrong secrets of a flood.
const FLOOD: usize = 10_000;

/// One client takes half of a list of 60, others find room, and expired ids make room again.
fn check_shares(store: &dyn Store) {
    let digest = |n: u64| countersign_core::integration::sha256(&n.to_string());
    for list in [IdList::UsedAssertions, IdList::RevokedTokens, IdList::UsedProofs] {
        let insert = |client: &str, n: u64, expires_at: u64, now: u64| {
            let (expires_at, now) = (UnixTime::from_secs(expires_at), UnixTime::from_secs(now));
            store.insert_id(list, client, &digest(n), expires_at, now).expect("it answers")
        };
        let count = |client: &str, first: u64, now: u64| {
            (first..first + 100).take_while(|n| insert(client, *n, now + 100, now) == Insertion::New).count()
        };
        assert_eq!(count("busy", 0, 10), 30, "one client has at most as many as are free");
        assert_eq!(insert("busy", 0, 110, 10), Insertion::Present, "a repetition is recognized without room");
        assert_eq!(count("quiet", 1_000, 10), 15);
        for (n, client) in ["a", "b", "c"].into_iter().enumerate() {
            assert_eq!(insert(client, 2_000 + n as u64, 110, 10), Insertion::New, "a client that has none finds room");
        }
        assert_eq!(insert("busy", 3_000, 110, 10), Insertion::Full);
        assert_eq!(count("", 4_000, 10), 12, "the issuer itself has the rest");
        assert_eq!(insert("quiet", 5_000, 110, 109), Insertion::Full, "nothing has expired");
        assert!(store.contains_id(list, &digest(0), UnixTime::from_secs(111)).expect("it answers"));
        assert_eq!(count("busy", 6_000, 110), 30, "everything has expired");
        assert!(!store.contains_id(list, &digest(0), UnixTime::from_secs(111)).expect("it answers"));
        assert!(store.contains_id(list, &digest(6_000), UnixTime::from_secs(210)).expect("it answers"));
    }
}

// S15.01
#[test]
fn s15_01_no_client_fills_a_memory_store() {
    check_shares(&MemoryStore::new().max_ids(60));
}

// S15.01
#[test]
fn s15_01_no_client_fills_a_file_store() {
    let path = TempPath::new("shares");
    check_shares(&FileStore::open(&path.0).expect("a store").max_ids(60));
    let reopened = FileStore::open(&path.0).expect("a store").max_ids(60);
    let (end, now) = (UnixTime::from_secs(300), UnixTime::from_secs(110));
    let insert = |client| reopened.insert_id(IdList::UsedAssertions, client, &[9; 32], end, now).expect("it answers");
    assert_eq!(insert("busy"), Insertion::Full, "counts survive a restart");
    assert_eq!(insert("quiet"), Insertion::New);
}

// S15.01
#[test]
#[cfg_attr(not(has_postgres), ignore = "needs PostgreSQL: tests/peers/install")]
fn s15_01_no_client_fills_a_database() {
    let database = Postgres::start();
    check_shares(&PostgresStore::connect(&Secret::from(database.settings())).expect("a store").max_ids(60));
}

/// Two clients with keys, and two with secrets that no hash protects.
fn two_of_each(clock: &ManualClock, store: impl Store) -> (Issuer, Vec<Signer>, Vec<String>) {
    let pepper = || Secret::new(b"a pepper of at least 32 bytes, for tests".to_vec());
    let mut builder = Issuer::builder(NAME)
        .clock(Arc::new(clock.clone()))
        .store(Arc::new(store))
        .pepper(pepper())
        .add_audience(Audience::new("billing"));
    let (mut signers, mut credentials) = (Vec::new(), Vec::new());
    for n in 0..2 {
        let signer = Signer::generate(Algorithm::ES256).expect("a key");
        let jwks = json!({ "keys": [signer.public_jwk()] }).to_string();
        builder = builder.add_client(Client::new(format!("key-{n}")).public_keys(jwks).audiences(["billing"]));
        signers.push(signer);
        let (secret, stored) = SecretHash::generate_keyed(&pepper()).expect("a secret");
        builder = builder.add_client(Client::new(format!("secret-{n}")).secret(stored).audiences(["billing"]));
        credentials.push(basic(&format!("secret-{n}"), secret.expose()));
    }
    (builder.build().expect("sound"), signers, credentials)
}

fn assertion(clock: &ManualClock, client: usize, signer: &Signer, id: usize) -> String {
    let client = format!("key-{client}");
    let draft = Draft::with_type("client-authentication+jwt").issuer(&client).subject(&client).audience(NAME);
    let draft = draft.expires_at(clock.now().saturating_add(Duration::from_secs(60))).token_id(id.to_string());
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let signed = draft.sign(signer).expect("signed");
    format!("{CC}&client_assertion_type={kind}&client_assertion={signed}")
}

fn clock() -> ManualClock {
    ManualClock::new(UnixTime::from_secs(1_700_000_000))
}

// S15.01, S11.11
#[tokio::test]
async fn s15_01_a_client_that_authenticates_at_full_speed_stops_nobody_else() {
    let clock = clock();
    let (issuer, signers, _) = two_of_each(&clock, MemoryStore::new().max_ids(100));
    let ask =
        async |client: usize, id| post(&issuer, "/token", "", &assertion(&clock, client, &signers[client], id)).await;
    let mut served = 0;
    for id in 0..200 {
        let (status, retry_after, _) = ask(0, id).await;
        match status {
            StatusCode::OK => served += 1,
            _ => assert_eq!((status, retry_after.as_deref()), (StatusCode::SERVICE_UNAVAILABLE, Some("1"))),
        }
        if id % 10 == 0 {
            assert_eq!(ask(1, id).await.0, StatusCode::OK, "the other client after {id}");
        }
    }
    assert!((40..=50).contains(&served), "{served}");
}

// S15.01
#[tokio::test]
async fn s15_01_a_client_that_revokes_its_own_tokens_stops_nobody_else() {
    let clock = clock();
    let (issuer, _, credentials) = two_of_each(&clock, MemoryStore::new().max_ids(100));
    let mint = async |client: usize| token(&post(&issuer, "/token", &credentials[client], CC).await.2);
    let revoke = async |client: usize, token: &str| {
        post(&issuer, "/revoke", &credentials[client], &format!("token={token}")).await.0
    };
    let mut revoked = 0;
    for _ in 0..100 {
        revoked += usize::from(revoke(0, &mint(0).await).await == StatusCode::OK);
    }
    assert_eq!(revoked, 50);
    let stolen = mint(1).await;
    assert_eq!(revoke(1, &stolen).await, StatusCode::OK);
    let (_, _, body) = post(&issuer, "/introspect", &credentials[1], &format!("token={stolen}")).await;
    assert_eq!(body["active"], false);
    let own = issuer.mint(&Draft::access_token().subject("ann").audience("billing").client_id("web-shop"));
    let own = own.expect("minted");
    issuer.revoke_token(own.token_id(), own.expires_at()).expect("the issuer itself always has room");
}

fn with_secret(clock: &ManualClock) -> Issuer {
    Issuer::builder(NAME)
        .clock(Arc::new(clock.clone()))
        .add_audience(Audience::new("billing"))
        .add_client(Client::new("orders").secret(Secret::from(SECRET)).audiences(["billing"]))
        .build()
        .expect("sound")
}

async fn ask(issuer: &Issuer, client: &str, secret: &str) -> StatusCode {
    post(issuer, "/token", &basic(client, secret), CC).await.0
}

// S15.03
#[tokio::test]
#[cfg_attr(not(is_ci), ignore = "takes long; CI=true runs it")]
async fn s15_03_a_secret_that_was_right_passes_through_ten_thousand_wrong_ones() {
    let clock = clock();
    let issuer = with_secret(&clock);
    assert_eq!(ask(&issuer, "orders", SECRET).await, StatusCode::OK);
    let mut throttled = 0;
    for n in 0..FLOOD {
        let status = ask(&issuer, "orders", &format!("a-wrong-secret-{n:05}")).await;
        throttled += usize::from(status == StatusCode::TOO_MANY_REQUESTS);
        if n % 1_000 == 500 {
            assert_eq!(ask(&issuer, "orders", SECRET).await, StatusCode::OK, "after {n}");
        }
    }
    assert!(throttled > FLOOD - 100, "{throttled}");
    clock.advance(Duration::from_secs(301)); // past the lifetime of a check
    for n in 0..20 {
        ask(&issuer, "orders", &format!("another-wrong-secret-{n:05}")).await;
    }
    assert_eq!(ask(&issuer, "orders", "yet-another-wrong-secret").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask(&issuer, "orders", SECRET).await, StatusCode::OK, "its check goes before the throttle");
}

#[tokio::test]
#[cfg_attr(not(is_ci), ignore = "takes long; CI=true runs it")]
async fn s15_01_one_wrong_secret_ten_thousand_times_costs_the_right_one_nothing() {
    let issuer = with_secret(&clock());
    let mut statuses = Vec::new();
    for _ in 0..FLOOD {
        statuses.push(ask(&issuer, "orders", "a-wrong-secret-of-theirs").await.as_u16());
    }
    assert!(statuses[..10].iter().all(|status| *status == 401) && statuses[10..].iter().all(|status| *status == 429));
    assert_eq!(ask(&issuer, "orders", SECRET).await, StatusCode::OK, "although it was never used before");
}

#[tokio::test]
async fn s15_01_unsigned_and_wrongly_signed_assertions_lock_nobody_out() {
    let clock = clock();
    let (issuer, signers, credentials) = two_of_each(&clock, MemoryStore::new());
    let other_signer = Signer::generate(Algorithm::ES256).expect("a key");
    for n in 0..1_000 {
        let forged = match n % 2 {
            0 => assertion(&clock, 0, &other_signer, n),
            _ => {
                let unsigned = assertion(&clock, 0, &other_signer, n);
                let (start, _) = unsigned.rsplit_once('.').expect("a signature");
                format!("{start}.AA")
            }
        };
        assert_eq!(post(&issuer, "/token", "", &forged).await.0, StatusCode::UNAUTHORIZED);
    }
    let good = assertion(&clock, 0, &signers[0], 1);
    assert_eq!(post(&issuer, "/token", "", &good).await.0, StatusCode::OK);
    for n in 0..100 {
        let wrong = basic("secret-0", &format!("csgnk_{n:043}"));
        assert_eq!(post(&issuer, "/token", &wrong, CC).await.0, StatusCode::UNAUTHORIZED, "a keyed hash is cheap");
    }
    assert_eq!(post(&issuer, "/token", &credentials[0], CC).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(is_ci), ignore = "takes long; CI=true runs it")]
async fn s15_01_a_flood_of_invented_clients_delays_no_secret_that_was_right() {
    let clock = clock();
    let issuer = with_secret(&clock);
    assert_eq!(ask(&issuer, "orders", SECRET).await, StatusCode::OK);
    clock.advance(Duration::from_secs(301)); // its next request is checked again
    let flood: Vec<_> = (0..600)
        .map(|n| {
            let issuer = issuer.clone();
            tokio::spawn(async move { ask(&issuer, &format!("nobody-{n}"), SECRET).await })
        })
        .collect();
    tokio::task::yield_now().await;
    assert_eq!(ask(&issuer, "orders", SECRET).await, StatusCode::OK);
    let mut statuses = Vec::new();
    for answer in flood {
        statuses.push(answer.await.expect("no panic"));
    }
    assert!(statuses.contains(&StatusCode::SERVICE_UNAVAILABLE), "the places were taken");
    assert!(statuses.iter().all(|status| [401, 503].contains(&status.as_u16())));
}

/// After a restart, behind one ingress: no secret was right before, and all requests come from one address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(is_ci), ignore = "takes long; CI=true runs it")]
async fn s15_01_a_client_that_tries_again_gets_in_during_a_flood_of_invented_ones() {
    let issuer = with_secret(&clock());
    let (numbers, busy) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let flood: Vec<_> = (0..200)
        .map(|_| {
            let (issuer, numbers, busy) = (issuer.clone(), Arc::clone(&numbers), Arc::clone(&busy));
            tokio::spawn(async move {
                loop {
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    let status = ask(&issuer, &format!("nobody-{number}"), SECRET).await;
                    busy.fetch_add(usize::from(status == StatusCode::SERVICE_UNAVAILABLE), Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(40)).await;
                }
            })
        })
        .collect();
    while busy.load(Ordering::Relaxed) < 200 {
        tokio::task::yield_now().await;
    }
    let mut attempts = 1;
    while ask(&issuer, "orders", SECRET).await != StatusCode::OK {
        attempts += 1;
        tokio::time::sleep(Duration::from_secs(1)).await; // Retry-After
        assert!(attempts <= 4, "it does not get in, {} requests later", numbers.load(Ordering::Relaxed));
    }
    println!("attempt {attempts}, during {} requests", numbers.load(Ordering::Relaxed));
    flood.iter().for_each(tokio::task::JoinHandle::abort);
}

// S15.01
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s15_01_one_client_leaves_calls_of_a_slow_store_to_others() {
    let (clock, store) = (clock(), Arc::new(Blocking::default()));
    let pepper = || Secret::new(b"a pepper of at least 32 bytes, for tests".to_vec());
    let client = |id: &str| {
        let (secret, stored) = SecretHash::generate_keyed(&pepper()).expect("a secret");
        (Client::new(id).secret(stored).audiences(["billing"]), basic(id, secret.expose()))
    };
    let ((busy, busy_credentials), (quiet, quiet_credentials)) = (client("busy"), client("quiet"));
    let issuer = Issuer::builder(NAME)
        .clock(Arc::new(clock.clone()))
        .store(store.clone())
        .pepper(pepper())
        .add_audience(Audience::new("billing"))
        .add_client(busy)
        .add_client(quiet)
        .build()
        .expect("sound");
    let form = format!("token={}", token(&post(&issuer, "/token", &quiet_credentials, CC).await.2));
    store.is_slow.store(true, Ordering::Relaxed);
    let flood: Vec<_> = (0..400)
        .map(|_| {
            let (issuer, credentials, form) = (issuer.clone(), busy_credentials.clone(), form.clone());
            tokio::spawn(async move { post(&issuer, "/introspect", &credentials, &form).await.0 })
        })
        .collect();
    let mut statuses = Vec::new();
    let other = post(&issuer, "/introspect", &quiet_credentials, &form).await;
    for answer in flood {
        statuses.push(answer.await.expect("no panic"));
    }
    assert_eq!((other.0, &other.2["active"]), (StatusCode::OK, &true.into()));
    let served = statuses.iter().filter(|status| **status == StatusCode::OK).count();
    assert!((100..=128).contains(&served), "{served} of {}", statuses.len());
    assert!(statuses.iter().all(|status| [StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE].contains(status)));
}
