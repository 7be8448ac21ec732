//! Changes of other instances reach an instance whatever it is asked.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use countersign_core::clock::UnixTime;
use countersign_core::secret::Secret;
use countersign_core::verify::Verifier;
use countersign_issuer::{
    IdList, Insertion, Issuer, MemoryStore, PostgresStore, Store, StoreError, StoreErrorKind, StoredKeys,
};
use countersign_test::ManualClock;
use countersign_tests::peers::Postgres;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::direct::{CC, post};
use crate::store::{is_active, issuer, mint};

/// A store in memory that is used as one that blocks, and that can fail.
#[derive(Debug, Default)]
pub struct Blocking {
    inner: MemoryStore,
    /// Used as one that does not block.
    is_direct: bool,
    pub fails: AtomicBool,
    /// Panics at each question.
    panics: AtomicBool,
    /// Takes three seconds for each answer.
    pub is_slow: AtomicBool,
    /// Does not answer until this is false again.
    pub is_hung: AtomicBool,
    /// Takes these milliseconds for each answer.
    delay: AtomicU64,
    /// Replaces the stored keys in the answers.
    pub reset: std::sync::Mutex<Option<Reset>>,
    /// Fails to write keys.
    pub is_read_only: AtomicBool,
    /// The calls until now.
    pub calls: AtomicU64,
}

/// What somebody did to the stored keys.
#[derive(Clone, Debug)]
pub enum Reset {
    Removed,
    Replaced(StoredKeys),
}

impl Blocking {
    pub fn new(is_blocking: bool) -> Self {
        Blocking { is_direct: !is_blocking, ..Blocking::default() }
    }

    /// The keys that the issuer has written.
    pub fn written(&self) -> StoredKeys {
        self.inner.keys().expect("readable").expect("written")
    }

    fn up(&self) -> Result<&MemoryStore, StoreError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        while self.is_hung.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(10));
        }
        if self.is_slow.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_secs(3));
        }
        std::thread::sleep(Duration::from_millis(self.delay.load(Ordering::Relaxed)));
        assert!(!self.panics.load(Ordering::Relaxed), "the store has a fault");
        let fails = self.fails.load(Ordering::Relaxed);
        if fails { Err(StoreError::new(StoreErrorKind::Unavailable)) } else { Ok(&self.inner) }
    }
}

impl Store for Blocking {
    fn keys(&self) -> Result<Option<StoredKeys>, StoreError> {
        let reset = self.reset.lock().expect("no panic").clone();
        match reset {
            None => self.up()?.keys(),
            Some(Reset::Removed) => self.up().map(|_| None),
            Some(Reset::Replaced(keys)) => self.up().map(|_| Some(keys)),
        }
    }

    fn replace_keys(&self, expected_version: u64, keys: &[u8]) -> Result<bool, StoreError> {
        match self.is_read_only.load(Ordering::Relaxed) {
            true => Err(StoreError::new(StoreErrorKind::Failed)),
            false => self.up()?.replace_keys(expected_version, keys),
        }
    }

    fn insert_id(
        &self,
        list: IdList,
        client: &str,
        digest: &[u8; 32],
        expires_at: UnixTime,
        expired_before: UnixTime,
    ) -> Result<Insertion, StoreError> {
        self.up()?.insert_id(list, client, digest, expires_at, expired_before)
    }

    fn contains_id(&self, list: IdList, digest: &[u8; 32], expires_at: UnixTime) -> Result<bool, StoreError> {
        self.up()?.contains_id(list, digest, expires_at)
    }

    fn secret_hashes(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.up()?.secret_hashes()
    }

    fn put_secret_hash(&self, client_id: &str, hash: &str) -> Result<(), StoreError> {
        self.up()?.put_secret_hash(client_id, hash)
    }

    fn is_blocking(&self) -> bool {
        !self.is_direct
    }
}

pub fn clock() -> ManualClock {
    ManualClock::new(UnixTime::from_secs(1_700_000_000))
}

pub fn verifier(issuer: &Issuer, clock: &ManualClock) -> Verifier {
    Verifier::builder().trust(issuer.trusted_for("orders")).clock(Arc::new(clock.clone())).build().expect("sound")
}

/// One instance only introspects, verifies or mints; the key of a token is revoked at the other.
async fn check_freshness(open: &dyn Fn() -> Arc<dyn Store>) {
    let clock = clock();
    let instance = || issuer(open(), |builder| builder.clock(Arc::new(clock.clone())));
    let ((one, _), (other, credentials)) = (instance(), instance());
    let verifier = verifier(&other, &clock);
    let leaked = mint(&one);
    assert!(is_active(&other, &credentials, leaked.as_str()).await);
    assert!(verifier.verify(leaked.as_str()).await.is_ok());

    assert_eq!(one.revoke_key(leaked.key_id()), Ok(true));
    clock.advance(Duration::from_secs(5));
    let refused = verifier.verify(leaked.as_str()).await.map(drop);
    assert!(refused.is_err(), "a verifier that only verifies");
    assert!(!is_active(&other, &credentials, leaked.as_str()).await, "an instance that only introspects");
    assert_ne!(mint(&other).key_id(), leaked.key_id(), "an instance that only mints");
    let good = mint(&one);
    assert!(verifier.verify(good.as_str()).await.is_ok());
    assert!(is_active(&other, &credentials, good.as_str()).await);
}

/// A token of a key that another instance has just added is not taken for an invalid one.
async fn check_new_keys(open: &dyn Fn() -> Arc<dyn Store>) {
    let clock = clock();
    let instance = || issuer(open(), |builder| builder.clock(Arc::new(clock.clone())));
    let ((one, of_one), (other, credentials)) = (instance(), instance());
    let verifier = verifier(&other, &clock);
    clock.advance(Duration::from_secs(2)); // past the last read, within its 5 s
    one.rotate_now().expect("a key");
    let new = mint(&one);
    let (status, _, _) = post(&other, "/revoke", &credentials, &format!("token={}", new.as_str())).await;
    assert_eq!(status, StatusCode::OK);
    assert!(!is_active(&one, &of_one, new.as_str()).await, "an acknowledged revocation is stored");
    one.rotate_now().expect("a key");
    let newer = mint(&one);
    assert!(verifier.verify(newer.as_str()).await.is_ok());
}

fn same(store: impl Store) -> impl Fn() -> Arc<dyn Store> {
    let store: Arc<dyn Store> = Arc::new(store);
    move || Arc::clone(&store)
}

// S15.10
#[tokio::test]
async fn s15_10_a_revoked_key_is_refused_everywhere_within_five_seconds() {
    check_freshness(&same(MemoryStore::new())).await;
    check_freshness(&same(Blocking::default())).await;
}

// S15.10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgres), ignore = "needs PostgreSQL: tests/peers/install")]
async fn s15_10_a_key_revoked_in_the_database_is_refused_everywhere_within_five_seconds() {
    let database = Postgres::start();
    let settings = Secret::from(database.settings());
    check_freshness(&|| Arc::new(PostgresStore::connect(&settings).expect("a store"))).await;
}

// S15.10
#[tokio::test]
async fn s15_10_a_token_of_a_key_that_is_new_elsewhere_is_valid_and_revocable_at_once() {
    check_new_keys(&same(MemoryStore::new())).await;
    check_new_keys(&same(Blocking::default())).await;
}

/// S15.10: nobody signs with a key that another instance has removed, also the first ones who ask an idle instance.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s15_10_an_idle_instance_signs_nothing_with_a_removed_key() {
    let clock = clock();
    let store = Arc::new(Blocking::default());
    let instance = || issuer(store.clone(), |builder| builder.clock(Arc::new(clock.clone())));
    let ((one, _), (other, credentials)) = (instance(), instance());
    for has_endpoint in [false, true] {
        let removed = mint(&other).key_id().to_owned();
        assert_eq!(one.revoke_key(&removed), Ok(true));
        clock.advance(Duration::from_secs(3600));
        store.delay.store(100, Ordering::Relaxed);
        let asking = (0..8).map(|_| {
            let (other, credentials) = (other.clone(), credentials.clone());
            tokio::spawn(async move {
                if !has_endpoint {
                    return mint(&other).key_id().to_owned();
                }
                let (status, _, body) = post(&other, "/token", &credentials, CC).await;
                assert_eq!(status, StatusCode::OK, "{body}");
                let token = body["access_token"].as_str().expect("a token");
                let header = token.split('.').next().unwrap_or_default();
                let header = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(header).expect("base64url");
                serde_json::from_slice::<serde_json::Value>(&header).expect("JSON")["kid"]
                    .as_str()
                    .expect("a kid")
                    .to_owned()
            })
        });
        for signed_with in asking.collect::<Vec<_>>() {
            assert_ne!(signed_with.await.expect("no panic"), removed, "at the endpoint: {has_endpoint}");
        }
        store.delay.store(0, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn an_outage_of_the_store_leaves_verifiers_their_keys_for_an_hour() {
    let clock = clock();
    let store = Arc::new(Blocking::default());
    let (issuer, credentials) = issuer(store.clone(), |builder| builder.clock(Arc::new(clock.clone())));
    let verifier = verifier(&issuer, &clock);
    store.fails.store(true, Ordering::Relaxed);
    for _ in 0..12 {
        clock.advance(Duration::from_secs(299));
        let token = mint(&issuer);
        assert!(verifier.verify(token.as_str()).await.is_ok());
        let (status, ..) = post(&issuer, "/introspect", &credentials, &format!("token={}", token.as_str())).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "whether it is revoked is unknown");
    }
    clock.advance(Duration::from_secs(299));
    let error = verifier.verify(mint(&issuer).as_str()).await.expect_err("the keys are too old");
    assert!(error.is_unavailable(), "{error}");
    store.fails.store(false, Ordering::Relaxed);
    assert!(verifier.verify(mint(&issuer).as_str()).await.is_ok());
}

// S15.02
#[tokio::test]
async fn s15_02_a_silent_store_holds_up_neither_verifiers_nor_mint() {
    let clock = clock();
    let store = Arc::new(Blocking::default());
    let (issuer, _) = issuer(store.clone(), |builder| builder.clock(Arc::new(clock.clone())));
    let verifier = verifier(&issuer, &clock);
    let token = mint(&issuer);
    store.is_slow.store(true, Ordering::Relaxed);
    clock.advance(Duration::from_secs(3)); // the keys are to be read again
    let start = std::time::Instant::now();
    for _ in 0..20 {
        assert!(verifier.verify(token.as_str()).await.is_ok());
        let _ = mint(&issuer);
    }
    assert!(start.elapsed() < Duration::from_secs(1), "nobody waits: {:?}", start.elapsed());
    clock.advance(Duration::from_secs(60));
    let start = std::time::Instant::now();
    let _ = verifier.verify(token.as_str()).await; // the first one waits for the store, but not to its end
    for _ in 0..20 {
        assert!(verifier.verify(token.as_str()).await.is_ok(), "the others are served with the current keys");
        let _ = mint(&issuer);
    }
    assert!(start.elapsed() < Duration::from_millis(2_500), "{:?}", start.elapsed());
}

// S15.10
#[tokio::test]
async fn s15_10_a_read_of_the_keys_that_panics_is_followed_by_others() {
    for is_direct in [false, true] {
        let clock = clock();
        let store = Arc::new(Blocking { is_direct, ..Blocking::default() });
        let instance = || issuer(store.clone(), |builder| builder.clock(Arc::new(clock.clone())));
        let ((other, _), (reading, _)) = (instance(), instance());
        let verifier = verifier(&reading, &clock);
        let token = mint(&other);
        store.panics.store(true, Ordering::Relaxed);
        clock.advance(Duration::from_secs(60));
        let verified = tokio::spawn({
            let (verifier, token) = (verifier.clone(), token.as_str().to_owned());
            async move { verifier.verify(&token).await.is_ok() }
        });
        let _ = verified.await; // a store that does not block panics in its caller
        store.panics.store(false, Ordering::Relaxed);
        for _ in 0..30 {
            clock.advance(Duration::from_secs(299));
            let token = mint(&other);
            let verified = verifier.verify(token.as_str()).await;
            assert!(verified.is_ok(), "direct: {is_direct}: {:?}", verified.err());
        }
    }
}
