//! Status lists of the embedded issuer: an index for each token, published lists, and services that check them. S14.08.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use countersign::clock::{Clock, SystemClock, UnixTime};
use countersign::prelude::*;
use countersign::response::Detail;
use countersign::status::{ListedStatus, StatusListIssuer, StatusLists};
use countersign_core::integration::{ExpectedStatusList, StatusListStep, check_status_list};
use countersign_core::key::{StaticKeys, VerifyingKey};
use countersign_core::mint::Draft;
use countersign_core::policy::{NeedsAudience, StatusListRules};
use countersign_core::secret::Secret;
use countersign_issuer::{
    Audience, Client, Federation, FileStore, IdentityProvider, Issuer, IssuerBuilder, MemoryStore, PostgresStore,
    StatusListSettings, Store, TrustDomain,
};
use countersign_tests::http;
use countersign_tests::peers::{self, Postgres};
use serde_json::{Value, json};

use crate::service::{Service, shop};
use crate::store::{TempPath, issuer, mint};

/// The indices of one list.
const LIST_ENTRIES: u64 = 1 << 20;

fn with_lists(builder: IssuerBuilder) -> IssuerBuilder {
    builder.status_lists(StatusListSettings::default())
}

/// The claims of a token, not verified.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("three segments");
    let json = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(payload).expect("base64url");
    serde_json::from_slice(&json).expect("JSON")
}

/// A service for the audience `billing` that checks the lists of the issuer.
async fn billing(sts: &Service) -> http::Service {
    let verifier = Verifier::builder().trust(sts.issuer.trusted_for("billing")).clock(Arc::new(sts.clock.clone()));
    let verifier = verifier.build().expect("a verifier");
    let location = format!("{}/status-lists/", sts.issuer.name());
    let of_issuer = StatusListIssuer::new(sts.issuer.name()).location(location).required();
    let lists = Arc::new(StatusLists::new(&verifier).add_issuer(of_issuer));
    let layer = AuthenticateLayer::builder(verifier).revocation(lists).detail(Detail::Code).build().expect("a layer");
    http::Service::start(Router::new().route("/", get(|| async { "paid" })).layer(layer)).await
}

#[tokio::test]
async fn s14_08_a_token_is_minted_accepted_revoked_and_refused_within_the_ttl() {
    let sts = Service::with(|builder| with_lists(shop(builder))).await;
    let service = billing(&sts).await;
    let ask = || sts.ask("orders", &[("grant_type", "client_credentials"), ("scope", "read")]);
    let (revoked, other) = (ask().await.token(), ask().await.token());
    let draft = Draft::access_token().subject("ann").audience("billing").client_id("web");
    let user = sts.issuer.mint_async(&draft).await.expect("a token");
    for token in [revoked.as_str(), &other, user.as_str()] {
        assert_eq!(service.get("/", token).await.status, 200);
    }
    let answer =
        sts.send(sts.post("/revoke").basic_auth("orders", Some(crate::service::SECRET)).form(&[("token", &revoked)]));
    assert_eq!(answer.await.status, 200);
    sts.issuer.revoke_token_at(user.token_id(), user.expires_at(), user.status_index()).expect("revoked");
    sts.clock.advance(Duration::from_secs(5));
    for token in [revoked.as_str(), user.as_str()] {
        let answer = service.get("/", token).await;
        assert_eq!((answer.status, answer.json()["reason"].as_str()), (401, Some("revoked")));
    }
    assert_eq!(service.get("/", &other).await.status, 200);
    // The signature of the list is renewed before it expires, also if nothing changes.
    for _ in 0..4 {
        sts.clock.advance(Duration::from_secs(70));
        let token = ask().await.token();
        assert_eq!(service.get("/", &token).await.status, 200);
    }
}

#[tokio::test]
async fn s14_08_lists_are_published_for_caches_and_unknown_numbers_are_not_found() {
    let sts = Service::with(|builder| with_lists(shop(builder))).await;
    assert_eq!(sts.get("/status-lists/0").await.status, 404, "no token has an index in it");
    let token = sts.ask("orders", &[("grant_type", "client_credentials")]).await.token();
    let place = claims(&token)["status"]["status_list"].clone();
    assert_eq!(place["uri"], format!("{}/status-lists/0", sts.issuer.name()));
    assert!(place["idx"].as_u64().is_some_and(|index| index < 1_024), "{place}");
    sts.clock.advance(Duration::from_secs(1));
    let list = sts.get("/status-lists/0").await;
    assert_eq!(list.status, 200);
    assert_eq!(list.header("content-type"), Some("application/statuslist+jwt"));
    assert_eq!(list.header("cache-control"), Some("public, max-age=5"));
    assert!(list.text.len() < 1_000, "a million tokens, none of them revoked, in {} bytes", list.text.len());
    let payload = claims(&list.text);
    assert_eq!((&payload["sub"], &payload["ttl"]), (&place["uri"], &json!(5)));
    assert_eq!(payload["exp"].as_u64(), payload["iat"].as_u64().map(|issued| issued + 300));
    let etag = list.header("etag").expect("a validator").to_owned();
    let again =
        |etag: &str| sts.send(sts.http.get(place["uri"].as_str().expect("a URI")).header("if-none-match", etag));
    assert_eq!(again(&etag).await.status, 304);
    assert_eq!(again("\"another\"").await.status, 200);
    for absent in ["/status-lists/1", "/status-lists/00", "/status-lists/+0", "/status-lists/x", "/status-lists/"] {
        assert_eq!(sts.get(absent).await.status, 404, "{absent}");
    }
    let answer =
        sts.send(sts.post("/revoke").basic_auth("orders", Some(crate::service::SECRET)).form(&[("token", &token)]));
    assert_eq!(answer.await.status, 200);
    assert_eq!(again(&etag).await.status, 200, "changed at once");
    // An issuer without lists has no such route, and its tokens no index.
    let plain = Service::start().await;
    assert_eq!(plain.get("/status-lists/0").await.status, 404);
    assert!(
        claims(&plain.ask("orders", &[("grant_type", "client_credentials")]).await.token()).get("status").is_none()
    );
}

#[test]
fn s14_08_settings_of_lists_are_checked() {
    let fields = |settings: StatusListSettings| {
        let error = Issuer::builder("https://sts.test").status_lists(settings).build().expect_err("faulty");
        error.faults().iter().map(|fault| fault.field.to_string()).collect::<Vec<_>>()
    };
    let (ttl, lifetime) = ("status_lists: ttl", "status_lists: lifetime");
    let settings = StatusListSettings::default;
    assert_eq!(fields(settings().ttl(Duration::ZERO)), [ttl]);
    assert_eq!(fields(settings().ttl(Duration::from_millis(1_500))), [ttl]);
    assert_eq!(fields(settings().lifetime(Duration::from_secs(19))), [lifetime]);
    assert!(
        Issuer::builder("https://sts.test").status_lists(settings().lifetime(Duration::from_secs(20))).build().is_ok()
    );
}

/// The contract of the statuses of every store. `open` returns another handle to the same state.
fn check_contract(open: &dyn Fn() -> Arc<dyn Store>) {
    let (one, other) = (open(), open());
    let [one, other] = [&one, &other].map(|store| store.statuses().expect("it has statuses"));
    let (now, block) = (UnixTime::from_secs(1_700_000_000), 1_024);
    let end = |seconds| now.saturating_add(Duration::from_secs(seconds));
    assert_eq!(one.lists(), Ok(vec![]));
    let firsts = std::thread::scope(|scope| {
        let reserve = |store: &'static str| {
            let (one, other) = (&one, &other);
            scope.spawn(move || {
                let store = if store == "one" { one } else { other };
                (0..8).map(|_| store.reserve(block, end(60), now).expect("reserved")).collect::<Vec<_>>()
            })
        };
        let both = ["one", "other", "one"].map(reserve);
        both.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>()
    });
    let unique: BTreeSet<u64> = firsts.iter().copied().collect();
    assert_eq!(unique.into_iter().collect::<Vec<_>>(), (0..24).map(|number| number * block).collect::<Vec<_>>());
    one.revoke_index(9).expect("revoked");
    other.revoke_index(7).expect("revoked");
    other.revoke_index(7).expect("revoked before");
    one.revoke_index(LIST_ENTRIES + 3).expect("revoked");
    assert_eq!(other.revoked_indices(0), Ok(vec![7, 9]));
    assert_eq!(other.revoked_indices(1), Ok(vec![LIST_ENTRIES + 3]));
    // A list ends a day after its last token, once another one is begun; a clock that is ahead by less removes nothing.
    let rest = LIST_ENTRIES / block - 24;
    let mut last = 0;
    for _ in 0..=rest {
        last = one.reserve(LIST_ENTRIES / (LIST_ENTRIES / block), end(60), now).expect("reserved");
    }
    assert_eq!(last, LIST_ENTRIES);
    assert_eq!(other.lists(), Ok(vec![0, 1]));
    for _ in 0..LIST_ENTRIES / block - 1 {
        other.reserve(block, end(86_000), end(86_000)).expect("reserved");
    }
    assert_eq!(one.lists(), Ok(vec![0, 1]));
    assert_eq!(other.reserve(block, end(86_500), end(86_500)), Ok(2 * LIST_ENTRIES));
    let lists = one.lists().expect("readable");
    assert!(lists == [1, 2] || lists == [0, 1, 2], "PostgreSQL's own clock counts too: {lists:?}");
    let revoked = one.revoked_indices(0).expect("readable");
    assert_eq!(revoked.is_empty(), lists == [1, 2], "{revoked:?}");
    assert_eq!(one.revoked_indices(1), Ok(vec![LIST_ENTRIES + 3]));
}

#[test]
fn s14_08_statuses_in_memory() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    check_contract(&|| Arc::clone(&store));
}

#[test]
fn s14_08_statuses_in_a_file_survive_a_restart_and_no_index_is_given_twice() {
    let path = TempPath::new("statuses");
    let indices = || {
        let (issuer, _) = issuer(Arc::new(FileStore::open(&path.0).expect("a store")), with_lists);
        let tokens = [mint(&issuer), mint(&issuer)];
        issuer
            .revoke_token_at(tokens[0].token_id(), tokens[0].expires_at(), tokens[0].status_index())
            .expect("revoked");
        tokens.map(|token| token.status_index().expect("an index"))
    };
    let (before, after) = (indices(), indices());
    let all: BTreeSet<u64> = before.iter().chain(&after).copied().collect();
    assert_eq!(all.len(), 4, "{before:?} {after:?}");
    assert!(before.iter().all(|index| *index < 1_024) && after.iter().all(|index| (1_024..2_048).contains(index)));
    let store = FileStore::open(&path.0).expect("a store");
    assert_eq!(store.statuses().map(|statuses| statuses.revoked_indices(0)), Some(Ok(vec![before[0], after[0]])));
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs PostgreSQL: tests/peers/install")]
fn s14_08_statuses_in_a_database() {
    let database = Postgres::start();
    let settings = Secret::from(database.settings());
    check_contract(&|| Arc::new(PostgresStore::connect(&settings).expect("a store")));
}

/// What one instance revokes, another publishes a second later.
#[tokio::test]
async fn s14_08_instances_give_different_indices_and_publish_each_others_revocations() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let clock = countersign_test::ManualClock::from_system();
    let instance = || issuer(Arc::clone(&store), |builder| with_lists(builder).clock(Arc::new(clock.clone()))).0;
    let (one, other) = (instance(), instance());
    let token = mint(&one);
    let index = token.status_index().expect("an index");
    assert_ne!(Some(index / 1_024), mint(&other).status_index().map(|index| index / 1_024));
    let list = async |issuer: &Issuer| {
        use tower::ServiceExt;
        let request = axum::http::Request::get("/status-lists/0").body(axum::body::Body::empty()).expect("a request");
        let response = issuer.router().oneshot(request).await.expect("infallible");
        let (etag, body) = (response.headers()["etag"].clone(), response.into_body());
        let text = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
        (etag, String::from_utf8(text.to_vec()).expect("text"))
    };
    let status = |text: &str| {
        let verifier = Verifier::builder().trust(one.trusted_for("orders")).clock(Arc::new(clock.clone())).build();
        let uri = "https://issuer.test/status-lists/0";
        let expected = ExpectedStatusList { issuer: one.name(), keys: None, uri, max_bytes: 1 << 20 };
        match check_status_list(&verifier.expect("a verifier"), &expected, text, None) {
            StatusListStep::Genuine(checked) => checked.list.status(index),
            refused => panic!("{refused:?}"),
        }
    };
    let (before, both) = (list(&one).await, list(&other).await);
    assert_eq!(before.0, both.0, "one validator for the same content");
    assert_eq!(status(&both.1), Some(ListedStatus::Valid));
    one.revoke_token_at(token.token_id(), token.expires_at(), token.status_index()).expect("revoked");
    assert_eq!(status(&list(&one).await.1), Some(ListedStatus::Invalid), "at once");
    clock.advance(Duration::from_secs(1));
    assert_eq!(status(&list(&other).await.1), Some(ListedStatus::Invalid));
}

/// npm's library reads what this issuer publishes, and its lists are read here.
#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_node), ignore = "needs Node.js: tests/peers/install")]
async fn s14_08_another_library_reads_our_lists_and_ours_reads_its_lists() {
    let sts = Service::with(|builder| with_lists(shop(builder))).await;
    let form = [("grant_type", "client_credentials")];
    let (revoked, good) = (sts.ask("orders", &form).await.token(), sts.ask("orders", &form).await.token());
    let answer =
        sts.send(sts.post("/revoke").basic_auth("orders", Some(crate::service::SECRET)).form(&[("token", &revoked)]));
    assert_eq!(answer.await.status, 200);
    let index = |token: &str| claims(token)["status"]["status_list"]["idx"].clone();
    let uri = format!("{}/status-lists/0", sts.issuer.name());
    let base = "https://theirs.test/lists/";
    let input = json!({
        "list": sts.get("/status-lists/0").await.text,
        "jwks": sts.get("/jwks").await.json(),
        "token": revoked,
        "indices": [index(&revoked), index(&good), LIST_ENTRIES - 1],
        "uri": uri,
        "base": base,
    });
    let read = tokio::task::spawn_blocking(move || peers::answer(peers::node("status_list.mjs"), &input));
    let read = read.await.expect("no panic");
    assert_eq!(read["place"], json!({ "idx": index(&revoked), "uri": uri }));
    assert_eq!((&read["statuses"], &read["ttl"]), (&json!([1, 0, 0]), &json!(5)));

    let key = VerifyingKey::from_jwk(&read["key"].to_string()).expect("a key");
    let trusted = NeedsAudience::new("https://theirs.test", Arc::new(StaticKeys::new([key]))).audience("api");
    let verifier = Verifier::builder().trust(trusted).clock(Arc::new(SystemClock)).build().expect("a verifier");
    let written = read["written"].as_array().expect("lists");
    assert_eq!(written.len(), 4);
    for theirs in written {
        let uri = format!("{base}{}", theirs["bits"]);
        let expected = ExpectedStatusList { issuer: "https://theirs.test", keys: None, uri: &uri, max_bytes: 1 << 20 };
        let jwt = theirs["jwt"].as_str().expect("a token");
        let StatusListStep::Genuine(checked) = check_status_list(&verifier, &expected, jwt, None) else {
            panic!("{:?}", check_status_list(&verifier, &expected, jwt, None))
        };
        assert_eq!(checked.ttl, Some(Duration::from_secs(60)));
        assert!(checked.issued_at <= SystemClock.now());
        for (index, value) in (0..).zip(theirs["values"].as_array().expect("values")) {
            let value = value.as_u64().and_then(|value| u8::try_from(value).ok()).expect("a byte");
            assert_eq!(checked.list.status(index), Some(ListedStatus::from(value)), "{index} in {uri}");
        }
    }
}

/// They would not be checked.
#[test]
fn s14_08_issuers_that_a_token_service_trusts_have_no_status_lists() {
    let trusted = || {
        let issuer = NeedsAudience::new("https://id.test", Arc::new(StaticKeys::new([]))).audience("https://sts.test");
        issuer.status_lists(StatusListRules::new("https://id.test/lists/"))
    };
    let builder = || Issuer::builder("https://sts.test").add_audience(Audience::new("billing"));
    let client = Client::new("orders").audiences(["billing"]);
    let federation = Federation::new(trusted()).add_subject("build", "orders");
    let domain = TrustDomain::new("shop.test").add_subject_issuer(trusted(), "staff:");
    for built in [
        builder().add_client(client).add_federation(federation).build(),
        builder().add_identity_provider(IdentityProvider::new(trusted(), "staff:")).build(),
        builder().add_trust_domain(domain).build(),
    ] {
        let error = built.expect_err("a setting that nothing would obey");
        assert!(error.to_string().contains("https://id.test: status_lists"), "{error}");
    }
}
