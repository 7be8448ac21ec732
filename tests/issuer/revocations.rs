//! Revocations of many tokens at once: kept by every store, agreed on by every endpoint, told to sinks: S14.12, S15.01.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_core::clock::UnixTime;
use countersign_core::mint::Draft;
use countersign_core::revocation::{
    RevocationLog, RevocationNotice, RevocationSink, RevokedTokens, SinkError, SinkFuture,
};
use countersign_core::secret::Secret;
use countersign_issuer::{
    FileStore, FoundNotices, IdList, Insertion, Issuer, MemoryStore, PostgresStore, RevocationError, Store, StoreError,
    StoreErrorKind, StoredKeys,
};
use countersign_test::ManualClock;
use countersign_tests::peers::Postgres;

use crate::store::{TempPath, is_active, issuer, mint};

const HOUR: Duration = Duration::from_secs(3600);

fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(seconds)
}

fn ann(before: u64) -> RevokedTokens {
    RevokedTokens::Subject("ann\0ü".into(), at(before))
}

/// The contract of every store with room for 60 revocations. `open` returns another handle to the same state.
fn check_contract(open: &dyn Fn() -> Arc<dyn Store>) {
    let (one, other) = (open(), open());
    let (until, now) = (at(400), at(100));
    let put = |store: &Arc<dyn Store>, client: &str, digest: u8, tokens: &RevokedTokens, until| {
        store.put_notice(client, &[digest; 32], tokens, until, now).expect("stored")
    };
    let empty = one.notices_after(0).expect("readable");
    assert!(empty.notices.is_empty() && empty.last == 0 && !empty.log.is_empty());
    assert_eq!(put(&one, "", 1, &ann(100), until), Insertion::New);
    assert_eq!(put(&other, "", 1, &ann(90), at(300)), Insertion::Present);
    let session = RevokedTokens::Session("s".into());
    assert_eq!(put(&other, "web", 2, &session, until), Insertion::New);
    let page = one.notices_after(0).expect("readable");
    assert_eq!((page.log.as_str(), page.last), (empty.log.as_str(), 2));
    let found: Vec<_> =
        page.notices.iter().map(|stored| (stored.sequence, &stored.tokens, stored.expires_at)).collect();
    assert_eq!(found, [(1, &ann(100), until), (2, &session, until)], "the second of one name reached less far");

    // One that reaches further is the same with another number.
    assert_eq!(put(&other, "web", 1, &ann(110), at(350)), Insertion::Present);
    let page = one.notices_after(1).expect("readable");
    let found: Vec<_> =
        page.notices.iter().map(|stored| (stored.sequence, &stored.tokens, stored.expires_at)).collect();
    assert_eq!(found, [(2, &session, until), (3, &ann(110), until)]);
    assert_eq!(one.notices_after(3).expect("readable").notices, []);

    let found = other.find_notices(&[[1; 32], [9; 32]], at(200)).expect("readable");
    assert_eq!(found.notices.iter().map(|stored| &stored.tokens).collect::<Vec<_>>(), [&ann(110)]);
    assert!(!found.may_be_removed);

    // Of two at the same time one is new, and both get a number.
    let raced = std::thread::scope(|scope| {
        let racers = [&one, &other, &one, &other].map(|store| scope.spawn(|| put(store, "", 3, &session, until)));
        racers.map(|racer| racer.join().expect("no panic"))
    });
    assert_eq!(raced.iter().filter(|outcome| **outcome == Insertion::New).count(), 1, "{raced:?}");

    // One client takes half of what is left, and another finds room.
    let mut own = 0;
    while put(&one, "busy", 100 + own, &session, at(500)) == Insertion::New {
        own += 1;
    }
    assert!((20..=30).contains(&own), "{own}");
    assert_eq!(put(&other, "quiet", 4, &session, at(500)), Insertion::New);

    // Those that are over make room, and it is known that they were removed.
    let mut number = 0;
    while put(&one, "", 200 + number, &session, at(500)) == Insertion::New {
        number += 1;
    }
    assert_eq!(one.put_notice("", &[5; 32], &session, at(900), at(450)), Ok(Insertion::New), "room again");
    for store in [&one, &other] {
        let found = store.find_notices(&[[1; 32]], at(400)).expect("readable");
        assert_eq!(found, FoundNotices::new(Vec::new(), true));
        assert!(!store.find_notices(&[[1; 32]], at(401)).expect("readable").may_be_removed);
        let left = store.notices_after(0).expect("readable").notices;
        assert!(left.iter().all(|stored| stored.expires_at > at(400)) && !left.is_empty());
        assert!(left.is_sorted_by_key(|stored| stored.sequence));
    }
}

fn same(store: impl Store) -> impl Fn() -> Arc<dyn Store> {
    let store: Arc<dyn Store> = Arc::new(store);
    move || Arc::clone(&store)
}

fn token_with(issuer: &Issuer, name: &str, value: &str) -> String {
    let draft = Draft::access_token().subject("ann").audience("orders").client_id("web").claim(name, value);
    issuer.mint(&draft).expect("a token").as_str().to_owned()
}

/// Each kind of revocation makes tokens inactive at every instance, also after a restart, and later ones stay active.
async fn check_instances(open: &dyn Fn() -> Arc<dyn Store>) {
    let clock = ManualClock::new(at(1_700_000_000));
    let build = |store| issuer(store, |builder| builder.clock(Arc::new(clock.clone())));
    let ((one, one_credentials), (other, other_credentials)) = (build(open()), build(open()));
    let name = one.name().to_owned();
    let all = |before| RevocationNotice::all(&name, before, UnixTime::MAX);
    for kind in 0..4 {
        let session = format!("session-{kind}");
        let (token, unmeant) = (token_with(&one, "sid", &session), token_with(&one, "sid", "another"));
        assert!(is_active(&other, &other_credentials, &token).await, "{kind}");
        clock.advance(Duration::from_secs(1));
        let now = clock_now(&one);
        let notice = match kind {
            0 => RevocationNotice::session(&name, &session, now.saturating_add(HOUR)),
            1 => RevocationNotice::subject(&name, "ann", now, UnixTime::MAX),
            2 => RevocationNotice::client(&name, "web", now, UnixTime::MAX),
            _ => all(now),
        };
        one.revoke(notice.expect("a notice")).await.expect("revoked");
        assert!(!is_active(&one, &one_credentials, &token).await, "{kind}");
        assert!(!is_active(&other, &other_credentials, &token).await, "{kind}");
        assert_eq!(is_active(&other, &other_credentials, &unmeant).await, kind == 0, "{kind}");
        let next = mint(&one);
        assert!(is_active(&other, &other_credentials, next.as_str()).await, "{kind}: issued after it");
    }
    let page = one.read(0).await.expect("readable");
    assert!(page.is_last() && page.notices().len() == 4, "{page:?}");
    for notice in page.notices() {
        assert!(notice.issuer() == name && notice.expires_at() <= clock_now(&one).saturating_add(HOUR), "{notice:?}");
    }
    let again = other.read(page.end()).await.expect("readable");
    assert_eq!((again.log(), again.end(), again.notices()), (page.log(), page.end(), &[][..]));
}

fn clock_now(issuer: &Issuer) -> UnixTime {
    issuer.clock().now()
}

#[tokio::test]
async fn s14_12_s15_01_a_memory_store_keeps_revocations() {
    check_contract(&same(MemoryStore::new().max_ids(60)));
    check_instances(&same(MemoryStore::new())).await;
}

#[tokio::test]
async fn s14_12_s15_01_a_file_store_keeps_revocations_across_restarts() {
    let path = TempPath::new("notices");
    check_contract(&same(FileStore::open(&path.0).expect("a store").max_ids(60)));
    let path = TempPath::new("notices-instances");
    check_instances(&same(FileStore::open(&path.0).expect("a store"))).await;
    let log = FileStore::open(&path.0).expect("a store").notices_after(0).expect("readable");
    assert_eq!(log.notices.len(), 4);
    assert_eq!(FileStore::open(&path.0).expect("again").notices_after(0), Ok(log), "the same list after a restart");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_postgres), ignore = "needs PostgreSQL: tests/peers/install")]
async fn s14_12_s15_01_postgres_keeps_revocations_for_several_instances() {
    let database = Postgres::start();
    let settings = Secret::from(database.settings());
    check_contract(&|| Arc::new(PostgresStore::connect(&settings).expect("a store").max_ids(60)));
    let database = Postgres::start();
    let settings = Secret::from(database.settings());
    check_instances(&|| Arc::new(PostgresStore::connect(&settings).expect("a store"))).await;
}

/// A reader that follows the numbers while others write misses none.
#[test]
#[cfg_attr(not(has_postgres), ignore = "needs PostgreSQL: tests/peers/install")]
fn s14_12_numbers_become_readable_in_their_order() {
    const EACH: u8 = 50;
    let database = Postgres::start();
    let settings = Secret::from(database.settings());
    let open = || PostgresStore::connect(&settings).expect("a store");
    let reader = open();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let store = open();
            scope.spawn(move || {
                for number in 0..EACH {
                    let digest = [[writer; 16], [number; 16]].concat().try_into().expect("32 bytes");
                    let session = RevokedTokens::Session("s".into());
                    assert_eq!(store.put_notice("", &digest, &session, at(400), at(100)), Ok(Insertion::New));
                }
            });
        }
        let (mut read, mut after) = (0, 0);
        while read < 4 * usize::from(EACH) {
            let page = reader.notices_after(after).expect("readable");
            assert!(page.notices.iter().map(|stored| stored.sequence).eq(after + 1..=page.last), "one is missing");
            (read, after) = (read + page.notices.len(), page.last);
        }
    });
}

/// A sink that remembers, or refuses.
#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<(Vec<String>, Option<SinkError>)>>);

impl RevocationSink for Told {
    fn revoke(&self, notice: RevocationNotice) -> SinkFuture {
        let mut told = self.0.lock().expect("sound");
        told.0.push(notice.to_json());
        Box::pin(std::future::ready(told.1.clone().map_or(Ok(()), Err)))
    }
}

#[tokio::test]
async fn s14_12_a_revocation_is_stored_before_a_sink_is_told_and_a_failing_sink_is_reported() {
    let told = Told::default();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let (issuer, credentials) = issuer(store, |builder| builder.add_revocation_sink(told.clone()));
    let changed = issuer.changed();
    let token = mint(&issuer);
    issuer.revoke_token(token.token_id(), token.expires_at()).expect("revoked");
    changed.await;
    let json = told.0.lock().expect("sound").0.pop().expect("told");
    assert!(json.contains(token.token_id()), "{json}");

    told.0.lock().expect("sound").1 = Some(SinkError::Unavailable("away".to_owned()));
    let token = mint(&issuer);
    let error = issuer.revoke_token(token.token_id(), token.expires_at()).expect_err("the sink is away");
    assert!(matches!(error, RevocationError::NotDistributed(_)) && error.to_string().contains("away"), "{error}");
    assert!(!is_active(&issuer, &credentials, token.as_str()).await, "stored all the same");
    assert_eq!(issuer.read(0).await.expect("readable").notices().len(), 2);
}

#[tokio::test]
async fn s14_12_revocations_of_others_and_of_the_future_are_refused() {
    let clock = ManualClock::new(at(1_700_000_000));
    let (issuer, _) = issuer(Arc::new(MemoryStore::new()), |builder| builder.clock(Arc::new(clock.clone())));
    let now = clock_now(&issuer);
    let foreign = RevocationNotice::subject("https://other.test", "ann", now, UnixTime::MAX).expect("a notice");
    assert_eq!(issuer.revoke(foreign).await, Err(RevocationError::OtherIssuer));
    let later = |seconds| now.saturating_add(Duration::from_secs(seconds));
    let notice = |before| RevocationNotice::all(issuer.name(), before, UnixTime::MAX).expect("a notice");
    assert_eq!(issuer.revoke(notice(later(61))).await, Err(RevocationError::InFuture));
    assert_eq!(issuer.revoke(notice(later(60))).await, Ok(()), "a clock that is a little ahead");
    assert_eq!(issuer.read(0).await.expect("readable").notices().len(), 1);
}

/// A store of somebody else, which keeps ids only.
#[derive(Debug)]
struct IdsOnly(MemoryStore);

impl Store for IdsOnly {
    fn keys(&self) -> Result<Option<StoredKeys>, StoreError> {
        self.0.keys()
    }
    fn replace_keys(&self, expected_version: u64, keys: &[u8]) -> Result<bool, StoreError> {
        self.0.replace_keys(expected_version, keys)
    }
    fn insert_id(
        &self,
        list: IdList,
        client: &str,
        digest: &[u8; 32],
        expires_at: UnixTime,
        expired_before: UnixTime,
    ) -> Result<Insertion, StoreError> {
        self.0.insert_id(list, client, digest, expires_at, expired_before)
    }
    fn contains_id(&self, list: IdList, digest: &[u8; 32], expires_at: UnixTime) -> Result<bool, StoreError> {
        self.0.contains_id(list, digest, expires_at)
    }
    fn secret_hashes(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.0.secret_hashes()
    }
    fn put_secret_hash(&self, client_id: &str, hash: &str) -> Result<(), StoreError> {
        self.0.put_secret_hash(client_id, hash)
    }
}

#[tokio::test]
async fn a_store_that_keeps_ids_only_still_revokes_single_tokens() {
    let (issuer, credentials) = issuer(Arc::new(IdsOnly(MemoryStore::new())), |builder| builder);
    let (token, other) = (mint(&issuer), mint(&issuer));
    issuer.revoke_token(token.token_id(), token.expires_at()).expect("revoked");
    assert!(!is_active(&issuer, &credentials, token.as_str()).await);
    assert!(is_active(&issuer, &credentials, other.as_str()).await);
    let all = RevocationNotice::all(issuer.name(), clock_now(&issuer), UnixTime::MAX).expect("a notice");
    let Err(RevocationError::Store(error)) = issuer.revoke(all).await else { panic!("it keeps none") };
    assert_eq!(error.kind(), StoreErrorKind::Unsupported);
    assert!(issuer.read(0).await.is_err());
}
