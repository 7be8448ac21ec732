//! State across restarts and instances: one suite for every store.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use countersign_core::clock::UnixTime;
use countersign_core::key::Algorithm;
use countersign_core::mint::Draft;
use countersign_core::secret::Secret;
use countersign_issuer::{
    Audience, Client, FileStore, IdList, Insertion, Issuer, IssuerBuilder, KeyState, MemoryStore, PostgresStore,
    SecretHash, Store, StoreErrorKind, StoreKey,
};
use countersign_test::ManualClock;
use countersign_tests::peers::Postgres;
use tower::ServiceExt;

const NAME: &str = "https://issuer.test";

/// An issuer with one client that authenticates at little cost, and the credentials of that client.
pub fn issuer(store: Arc<dyn Store>, settings: impl FnOnce(IssuerBuilder) -> IssuerBuilder) -> (Issuer, String) {
    let pepper = Secret::new(b"a pepper of at least 32 bytes, for tests".to_vec());
    let (secret, stored) = SecretHash::generate_keyed(&pepper).expect("a secret");
    let builder = Issuer::builder(NAME)
        .add_audience(Audience::new("orders"))
        .add_client(Client::new("web").secret(stored).audiences(["orders"]))
        .pepper(pepper)
        .store(store);
    let issuer = settings(builder).build().expect("a sound configuration");
    let pair = format!("web:{}", secret.expose());
    (issuer, format!("Basic {}", base64_simd::STANDARD.encode_to_string(pair)))
}

/// Whether introspection reports the token as active.
pub async fn is_active(issuer: &Issuer, credentials: &str, token: &str) -> bool {
    let request = Request::post("/introspect")
        .header(header::AUTHORIZATION, credentials)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(format!("token={token}")))
        .expect("a request");
    let response = issuer.router().oneshot(request).await.expect("infallible");
    assert_eq!(response.status(), 200);
    let body = axum::body::to_bytes(response.into_body(), 65_536).await.expect("a body");
    serde_json::from_slice::<serde_json::Value>(&body).expect("JSON")["active"] == true
}

pub async fn jwks(issuer: &Issuer) -> String {
    let request = Request::get("/jwks").body(Body::empty()).expect("a request");
    let response = issuer.router().oneshot(request).await.expect("infallible");
    let body = axum::body::to_bytes(response.into_body(), 65_536).await.expect("a body");
    String::from_utf8(body.into()).expect("text")
}

pub async fn jwks_status(issuer: &Issuer) -> axum::http::StatusCode {
    let request = Request::get("/jwks").body(Body::empty()).expect("a request");
    issuer.router().oneshot(request).await.expect("infallible").status()
}

pub fn mint(issuer: &Issuer) -> countersign_issuer::MintedToken {
    issuer.mint(&Draft::access_token().subject("ann").audience("orders").client_id("web")).expect("a token")
}

/// A path without a file; the file is removed on drop.
pub struct TempPath(pub PathBuf);

impl TempPath {
    pub fn new(name: &str) -> Self {
        TempPath(std::env::temp_dir().join(format!("countersign-{name}-{}.redb", std::process::id())))
    }
}

impl Drop for TempPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn clock() -> ManualClock {
    ManualClock::new(UnixTime::from_secs(1_700_000_000))
}

/// The contract of every store. `open` returns another handle to the same state.
fn check_contract(open: &dyn Fn() -> Arc<dyn Store>) {
    let (one, other) = (open(), open());
    assert_eq!(one.keys(), Ok(None));
    assert_eq!(one.replace_keys(1, b"from nowhere"), Ok(false));
    assert_eq!(one.replace_keys(0, b"first"), Ok(true));
    assert_eq!(other.replace_keys(0, b"late"), Ok(false), "of two first writes one succeeds");
    assert_eq!(other.replace_keys(1, b"second"), Ok(true));
    assert_eq!(one.replace_keys(1, b"late"), Ok(false));
    let stored = one.keys().expect("readable").expect("written");
    assert_eq!((stored.version, stored.keys.as_slice()), (2, &b"second"[..]));
    assert!(!format!("{stored:?}").contains("115, 101"), "{stored:?}");

    let (ends, now) = (UnixTime::from_secs(20), UnixTime::from_secs(10));
    assert_eq!(one.insert_id(IdList::UsedAssertions, "a", &[1; 32], ends, now), Ok(Insertion::New));
    assert_eq!(other.insert_id(IdList::UsedAssertions, "a", &[1; 32], ends, now), Ok(Insertion::Present));
    assert_eq!(
        other.insert_id(IdList::RevokedTokens, "a", &[1; 32], ends, now),
        Ok(Insertion::New),
        "lists are separate"
    );
    for (name, is_known) in [([1; 32], true), ([2; 32], false)] {
        assert_eq!(other.contains_id(IdList::UsedAssertions, &name, ends), Ok(is_known));
    }
    let raced = std::thread::scope(|scope| {
        let racers = [&one, &other, &one, &other].map(|store| {
            scope.spawn(move || store.insert_id(IdList::UsedAssertions, "a", &[3; 32], ends, now).expect("remembered"))
        });
        racers.map(|racer| racer.join().expect("no panic"))
    });
    assert_eq!(raced.iter().filter(|outcome| **outcome == Insertion::New).count(), 1, "{raced:?}");

    check_removal(&one, &other);
    assert_eq!(one.secret_hashes(), Ok(Vec::new()));
    one.put_secret_hash("orders", "one").expect("written");
    other.put_secret_hash("orders", "two").expect("written");
    assert_eq!(one.secret_hashes(), Ok(vec![("orders".to_owned(), "two".to_owned())]));
}

/// After a sweep it is unknown whether ids of the removed expiries were stored. The stores have room for 60 ids.
fn check_removal(one: &Arc<dyn Store>, other: &Arc<dyn Store>) {
    let list = IdList::RevokedTokens;
    let (now, ahead) = (UnixTime::from_secs(10), UnixTime::from_secs(1_000_000));
    let (ends, later) = (UnixTime::from_secs(300), UnixTime::from_secs(301));
    assert_eq!(one.insert_id(list, "swept", &[30; 32], ends, now), Ok(Insertion::New));
    assert_eq!(one.insert_id(list, "kept", &[33; 32], ends, now), Ok(Insertion::New));
    for until in [ahead.saturating_add(Duration::from_secs(1)), ends] {
        assert_eq!(other.insert_id(list, "a", &[33; 32], until, now), Ok(Insertion::Present));
    }
    let mut number = 100;
    while one.insert_id(list, "", &[number; 32], ends, now) == Ok(Insertion::New) {
        number += 1;
    }
    assert_eq!(one.insert_id(list, "", &[31; 32], later, ahead), Ok(Insertion::New), "room again");
    for store in [one, other] {
        let error = store.contains_id(list, &[30; 32], ends).expect_err("it was removed");
        assert_eq!(error.kind(), StoreErrorKind::Removed);
        assert_eq!(store.contains_id(list, &[33; 32], ends), Ok(true), "the later expiry counts");
        assert_eq!(store.contains_id(list, &[32; 32], later), Ok(false), "it would not have been removed");
        assert_eq!(store.contains_id(list, &[31; 32], later), Ok(true));
    }
    assert_eq!(other.insert_id(list, "a", &[30; 32], ends, now), Ok(Insertion::Unknown));
    assert_eq!(one.contains_id(list, &[30; 32], ends), Ok(true), "stored again");
    assert_eq!(other.insert_id(list, "a", &[30; 32], ends, now), Ok(Insertion::Present));
}

/// Two instances share the first key, a scheduled rotation, key sets and revocations.
async fn check_two_instances(open: &dyn Fn() -> Arc<dyn Store>) {
    let clock = clock();
    let settings =
        |builder: IssuerBuilder| builder.clock(Arc::new(clock.clone())).rotation_interval(Duration::from_secs(3600));
    let ((one, one_credentials), (other, other_credentials)) = (issuer(open(), settings), issuer(open(), settings));
    assert_eq!(one.keys(), other.keys());
    let first = mint(&one);
    assert!(is_active(&other, &other_credentials, first.as_str()).await, "one key for both");

    one.revoke_token(first.token_id(), first.expires_at()).expect("revoked");
    for (issuer, credentials) in [(&one, &one_credentials), (&other, &other_credentials)] {
        assert!(!is_active(issuer, credentials, first.as_str()).await);
    }

    clock.advance(Duration::from_secs(3600));
    let (set, same) = tokio::join!(jwks(&one), jwks(&other)); // both find at the same time that the key is old
    clock.advance(Duration::from_secs(5)); // the first one to read may have missed the other's key
    let sets = [set, same, jwks(&one).await, jwks(&other).await];
    assert_eq!(sets[2], sets[3]);
    assert_eq!(one.keys().len(), 2, "rotated once");
    assert!(matches!(one.keys()[1].state, KeyState::Pending { .. }));

    clock.advance(Duration::from_secs(415));
    let next = one.keys()[0].key_id.clone();
    assert_eq!((mint(&one).key_id(), mint(&other).key_id()), (next.as_str(), next.as_str()));
    assert_ne!(next, first.key_id());

    assert_eq!(other.revoke_key(&next), Ok(true));
    clock.advance(Duration::from_secs(5));
    assert!(!jwks(&one).await.contains(&next), "the other instance removes it at its next maintenance");
    assert_eq!(jwks(&one).await, jwks(&other).await);
}

/// A restart loses no key, state or revocation.
async fn check_restart(open: &dyn Fn() -> Arc<dyn Store>) {
    let clock = clock();
    let settings = |builder: IssuerBuilder| builder.clock(Arc::new(clock.clone()));
    let (first, _) = issuer(open(), settings);
    let revoked = mint(&first);
    first.revoke_token(revoked.token_id(), revoked.expires_at()).expect("revoked");
    let good = mint(&first);
    first.rotate().expect("a key");
    let before = first.keys();
    drop(first);
    let (restarted, credentials) = issuer(open(), settings);
    assert_eq!(restarted.keys(), before);
    assert!(is_active(&restarted, &credentials, good.as_str()).await);
    assert!(!is_active(&restarted, &credentials, revoked.as_str()).await);
    clock.advance(Duration::from_secs(420));
    assert_ne!(mint(&restarted).key_id(), good.key_id(), "the pending key signs when it is due");
    let after = restarted.keys();
    drop(restarted);
    assert_eq!(issuer(open(), settings).0.keys(), after);
}

#[tokio::test]
async fn s8_15_a_memory_store_meets_the_contract_for_two_instances() {
    check_contract(&same(MemoryStore::new().max_ids(60)));
    check_two_instances(&same(MemoryStore::new())).await;
    check_restart(&same(MemoryStore::new())).await;
}

fn same(store: impl Store) -> impl Fn() -> Arc<dyn Store> {
    let store: Arc<dyn Store> = Arc::new(store);
    move || Arc::clone(&store)
}

#[tokio::test]
async fn s8_15_a_file_store_meets_the_contract_across_restarts() {
    let path = TempPath::new("word");
    check_contract(&same(FileStore::open(&path.0).expect("a store").max_ids(60)));
    let path = TempPath::new("instances");
    check_two_instances(&same(FileStore::open(&path.0).expect("a store"))).await;
    let path = TempPath::new("restart");
    check_restart(&|| Arc::new(FileStore::open(&path.0).expect("a store"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgres), ignore = "needs PostgreSQL: tests/peers/install")]
async fn s8_15_postgres_meets_the_contract_across_instances_and_restarts() {
    for suite in [0, 1, 2] {
        let database = Postgres::start();
        let settings = Secret::from(database.settings());
        let open = || Arc::new(PostgresStore::connect(&settings).expect("a store")) as Arc<dyn Store>;
        match suite {
            0 => check_contract(&|| Arc::new(PostgresStore::connect(&settings).expect("a store").max_ids(60))),
            1 => check_two_instances(&open).await,
            _ => check_restart(&open).await,
        }
    }
}

#[test]
fn an_unsafe_address_of_a_database_is_refused_and_one_that_is_down_is_reported() {
    let folder = std::env::temp_dir().join(format!("countersign-open-{}", std::process::id()));
    let inner = folder.join("inner");
    std::fs::create_dir_all(&inner).expect("a folder");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&folder, open).expect("changed");
    for (settings, problem) in [
        ("host=127.0.0.1 user=issuer password=hidden-value sslmode=require".to_owned(), "verify-full"),
        ("host=localhost user=issuer sslmode=disable".to_owned(), "verify-full"),
        ("host=localhost user=issuer sslrootcert=/nonexistent".to_owned(), "sslrootcert cannot be read"),
        ("host=/run/postgresql hostaddr=127.0.0.1 user=issuer".to_owned(), "hostaddr"),
        ("user=issuer password=hidden-value".to_owned(), "host is missing"),
        (format!("host={} user=issuer", folder.display()), "everybody may write"),
        (format!("host={} user=issuer", inner.display()), "everybody may write"),
        ("host=/tmp/nobody-has-made-it-yet user=issuer".to_owned(), "everybody may write"),
    ] {
        let fault = PostgresStore::connect(&Secret::from(settings)).expect_err(problem).to_string();
        assert!(fault.contains(problem) && !fault.contains("hidden-value"), "{fault}");
    }
    std::fs::remove_dir_all(&folder).expect("removed");
    let down = PostgresStore::connect(&Secret::from("host=/nonexistent user=issuer password=hidden-value"));
    let fault = down.expect_err("nobody there").to_string();
    assert!(fault.contains("does not answer") && !fault.contains("hidden-value"), "{fault}");
}

#[test]
fn s8_28_a_file_is_private_and_used_by_one_process_at_a_time() {
    use std::os::unix::fs::PermissionsExt;
    let path = TempPath::new("private");
    let open = FileStore::open(&path.0).expect("a store");
    let mode = std::fs::metadata(&path.0).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(FileStore::open(&path.0).is_err(), "in use");
    drop(open);
    std::fs::set_permissions(&path.0, std::fs::Permissions::from_mode(0o644)).expect("chmod");
    assert!(FileStore::open(&path.0).expect_err("accessible to others").to_string().contains("0600"));
    std::fs::set_permissions(&path.0, std::fs::Permissions::from_mode(0o600)).expect("chmod");
    assert!(FileStore::open(&path.0).is_ok());
}

#[test]
fn s8_28_private_keys_are_sealed_with_the_store_key_and_open_with_no_other() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let text = StoreKey::generate().expect("a key");
    let key = || StoreKey::parse(&text).expect("a key");
    let build = |store: &Arc<dyn Store>, name: &str, key: Option<StoreKey>| {
        let builder = Issuer::builder(name).store(Arc::clone(store));
        key.into_iter().fold(builder, IssuerBuilder::store_key).build()
    };
    let keys = build(&store, NAME, Some(key())).expect("sealed").keys();
    let stored = store.keys().expect("readable").expect("written").keys;
    assert!(stored.starts_with(b"sealed1:") && !String::from_utf8_lossy(&stored).contains("pkcs8"));
    assert_eq!(build(&store, NAME, Some(key())).expect("the same key").keys(), keys);

    let another = StoreKey::parse(&StoreKey::generate().expect("a key")).expect("a key");
    let plain: Arc<dyn Store> = Arc::new(MemoryStore::new());
    build(&plain, NAME, None).expect("not sealed");
    for (what, built) in [
        ("another key", build(&store, NAME, Some(another))),
        ("no key", build(&store, NAME, None)),
        ("another issuer", build(&store, "https://other.test", Some(key()))),
        ("not sealed, but with a store key", build(&plain, NAME, Some(key()))),
        ("not sealed, another issuer", build(&plain, "https://other.test", None)),
        ("another algorithm", Issuer::builder(NAME).store(Arc::clone(&plain)).algorithm(Algorithm::EdDSA).build()),
    ] {
        assert_eq!(built.expect_err(what).faults()[0].field, "store", "{what}");
    }
}

#[test]
fn a_rotation_interval_below_an_hour_is_refused() {
    let built = Issuer::builder(NAME).rotation_interval(Duration::from_secs(3599)).build();
    assert_eq!(built.expect_err("too short").faults()[0].field, "rotation_interval");
}
