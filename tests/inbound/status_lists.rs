//! Token status lists (draft-ietf-oauth-status-list): fetched, checked, kept within bounds. S14.08, S14.09, S15.01.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::routing::get;
use base64_simd::URL_SAFE_NO_PAD;
use countersign::clock::Clock;
use countersign::prelude::*;
use countersign::response::Detail;
use countersign::revocation::{Revocation, UnknownPolicy};
use countersign::status::{StatusList, StatusListIssuer, StatusLists};
use countersign_test::{TestIssuer, TokenDraft};
use countersign_tests::http::Service;
use serde_json::json;
use tokio::sync::Notify;

use crate::app::{good, who};

/// An answer of the host of lists.
#[derive(Clone)]
pub enum Published {
    List(String),
    Other(StatusCode, HeaderMap, Vec<u8>),
    Hang(Arc<Notify>),
}

/// A host of lists: what it publishes at each path, and how often that was fetched.
#[derive(Clone, Default)]
pub struct Host {
    lists: Arc<Mutex<HashMap<String, Published>>>,
    fetches: Arc<Mutex<HashMap<String, usize>>>,
}

async fn answer(State(host): State<Host>, Path(name): Path<String>, headers: HeaderMap) -> Response<Body> {
    *host.fetches.lock().expect("sound").entry(name.clone()).or_default() += 1;
    let published = host.lists.lock().expect("sound").get(&name).cloned();
    let response = Response::builder();
    let response = match published {
        Some(Published::List(token)) => {
            assert_eq!(headers[header::ACCEPT], "application/statuslist+jwt");
            let etag = format!("\"{}\"", &token[token.len() - 20..]);
            if headers.get(header::IF_NONE_MATCH).is_some_and(|known| *known == *etag) {
                response.status(304).header(header::ETAG, etag).body(Body::empty())
            } else {
                response.header(header::ETAG, etag).body(Body::from(token))
            }
        }
        Some(Published::Other(status, headers, body)) => {
            let mut response = response.status(status).body(Body::from(body)).expect("a response");
            response.headers_mut().extend(headers);
            Ok(response)
        }
        Some(Published::Hang(end)) => {
            end.notified().await;
            response.status(500).body(Body::empty())
        }
        None => response.status(404).body(Body::empty()),
    };
    response.expect("a response")
}

impl Host {
    pub fn publish(&self, name: &str, published: Published) {
        self.lists.lock().expect("sound").insert(name.to_owned(), published);
    }

    pub fn fetches(&self, name: &str) -> usize {
        self.fetches.lock().expect("sound").get(name).copied().unwrap_or(0)
    }

    /// The fetches of all lists.
    pub fn all_fetches(&self) -> usize {
        self.fetches.lock().expect("sound").values().sum()
    }

    /// Starts it: its service, and the address below which its lists are.
    pub async fn start(&self) -> (Service, String) {
        let router = Router::new().route("/{*name}", get(answer)).with_state(self.clone());
        let service = Service::start(router).await;
        let base = format!("{}/lists/", service.url().trim_end_matches('/'));
        (service, base)
    }
}

/// A service whose issuer's lists are at a host on loopback.
struct Setup {
    issuer: TestIssuer,
    host: Host,
    base: String,
    lists: Arc<StatusLists>,
    service: Service,
    _lists_service: Service,
}

impl Setup {
    async fn start() -> Self {
        Self::with(|lists| lists, |issuer| issuer, UnknownPolicy::FailClosed).await
    }

    async fn with(
        settings: impl FnOnce(StatusLists) -> StatusLists,
        of_issuer: impl FnOnce(StatusListIssuer) -> StatusListIssuer,
        unknown: UnknownPolicy,
    ) -> Self {
        let (issuer, host) = (TestIssuer::new(), Host::default());
        let (lists_service, base) = host.start().await;
        let verifier = issuer.verifier_for("api");
        let of_issuer = of_issuer(StatusListIssuer::new(issuer.name()).location(&base));
        let lists = Arc::new(settings(StatusLists::new(&verifier).add_issuer(of_issuer)));
        let revocation = Revocation::new(Arc::clone(&lists)).unknown_policy(unknown);
        let revocation = revocation.timeout(Duration::from_millis(500));
        let layer = AuthenticateLayer::builder(verifier).revocation(revocation).detail(Detail::Code);
        let layer = layer.build().expect("a layer");
        let service = Service::start(Router::new().route("/", get(who)).layer(layer)).await;
        Setup { issuer, host, base, lists, service, _lists_service: lists_service }
    }

    fn uri(&self, name: &str) -> String {
        format!("{}{name}", self.base)
    }

    /// A token at this place of a list.
    fn token(&self, list: &str, index: u64) -> String {
        good(&self.issuer).claim("status", json!({ "status_list": { "idx": index, "uri": self.uri(list) } })).sign()
    }

    /// The draft of a list, complete.
    fn draft(&self, name: &str, list: &StatusList) -> TokenDraft {
        draft(&self.issuer, &self.uri(name), list)
    }

    fn publish(&self, name: &str, set: &[(u64, u8)]) {
        let mut list = StatusList::new(2, 1_000).expect("a size");
        assert!(set.iter().all(|(index, value)| list.set(*index, *value)));
        self.host.publish(&format!("lists/{name}"), Published::List(self.draft(name, &list).sign()));
    }

    /// The status of the response to a request with this token, and the reason that it states.
    async fn ask(&self, token: &str) -> (u16, String) {
        let answer = self.service.get("/", token).await;
        let reason = if answer.status == 401 {
            answer.json()["reason"].as_str().unwrap_or_default().to_owned()
        } else {
            String::new()
        };
        (answer.status, reason)
    }

    async fn status(&self, token: &str) -> u16 {
        self.ask(token).await.0
    }
}

pub fn draft(issuer: &TestIssuer, uri: &str, list: &StatusList) -> TokenDraft {
    let lst = URL_SAFE_NO_PAD.encode_to_string(list.to_compressed());
    let draft = issuer.token().header("typ", "statuslist+jwt").subject(uri);
    let draft = draft.without_claim("client_id").without_claim("jti");
    draft.claim("ttl", 5).claim("status_list", json!({ "bits": list.bits(), "lst": lst }))
}

#[tokio::test]
async fn s14_08_a_status_counts_from_the_next_fetch_on_and_requests_between_wait_for_nothing() {
    let setup = Setup::start().await;
    setup.publish("1", &[(3, 1), (4, 2), (5, 3)]);
    let (one, other) = (setup.token("1", 7), setup.token("1", 8));
    for token in [&one, &other, &one] {
        assert_eq!(setup.status(token).await, 200);
    }
    for (index, reason) in [(3, "revoked"), (4, "suspended"), (5, "revoked")] {
        assert_eq!(setup.ask(&setup.token("1", index)).await, (401, reason.to_owned()));
    }
    assert_eq!(setup.host.fetches("lists/1"), 1);
    setup.publish("1", &[(7, 1)]);
    assert_eq!(setup.status(&one).await, 200, "within the ttl");
    setup.issuer.clock().advance(Duration::from_secs(5));
    assert_eq!(setup.ask(&one).await, (401, "revoked".to_owned()), "cached or not");
    assert_eq!(setup.status(&other).await, 200);
    assert_eq!(setup.host.fetches("lists/1"), 2);
    // Unchanged: 304, and another ttl.
    setup.issuer.clock().advance(Duration::from_secs(5));
    assert_eq!((setup.status(&one).await, setup.status(&other).await), (401, 200));
    assert_eq!(setup.host.fetches("lists/1"), 3);
    let stats = setup.lists.stats();
    assert_eq!((stats.lists, stats.unusable, stats.bytes, stats.fetched, stats.failed), (1, 0, 250, 3, 0));
}

#[tokio::test]
async fn s14_08_tokens_without_a_list_are_valid_unless_lists_are_required() {
    for is_required in [false, true] {
        let required = |issuer: StatusListIssuer| if is_required { issuer.required() } else { issuer };
        let setup = Setup::with(|lists| lists, required, UnknownPolicy::FailOpen).await;
        let expected = if is_required { (401, "revoked".to_owned()) } else { (200, String::new()) };
        assert_eq!(setup.ask(&good(&setup.issuer).sign()).await, expected);
        let own_claim = good(&setup.issuer).claim("status", "active").sign();
        assert_eq!(setup.ask(&own_claim).await, expected, "a claim of that name with another meaning");
        setup.publish("1", &[]);
        assert_eq!(setup.status(&setup.token("1", 1)).await, 200);
    }
}

#[tokio::test]
async fn s14_08_an_address_that_is_not_permitted_is_never_fetched() {
    let setup = Setup::start().await;
    setup.publish("1", &[]);
    setup.host.publish("elsewhere/1", Published::List(String::new()));
    let foreign = setup.base.replace("/lists/", "/elsewhere/1");
    let upwards = format!("{}../elsewhere/1", setup.base);
    for uri in [foreign.as_str(), &upwards, "https://evil.test/lists/1", "file:///etc/passwd", "lists/1"] {
        let token = good(&setup.issuer).claim("status", json!({ "status_list": { "idx": 1, "uri": uri } })).sign();
        assert_eq!(setup.status(&token).await, 503, "{uri}");
    }
    for broken in [json!({ "status_list": {} }), json!({ "status_list": { "idx": -1, "uri": setup.uri("1") } })] {
        assert_eq!(setup.status(&good(&setup.issuer).claim("status", broken).sign()).await, 503);
    }
    assert_eq!((setup.host.fetches("elsewhere/1"), setup.host.fetches("lists/1")), (0, 0));
    assert_eq!(setup.lists.stats().not_permitted, 7);
    assert_eq!(setup.status(&setup.token("1", 1)).await, 200);
}

#[tokio::test]
async fn s14_08_each_broken_list_fails_closed_and_its_valid_counterpart_is_used() {
    let setup = Setup::start().await;
    let stranger = TestIssuer::new().with_name(setup.issuer.name());
    let list = StatusList::new(1, 1_000).expect("a size");
    let now = setup.issuer.clock().now().as_secs();
    let lst = |list: &[u8]| URL_SAFE_NO_PAD.encode_to_string(list);
    let status_list = |bits: u8, bytes: &[u8]| json!({ "bits": bits, "lst": lst(bytes) });
    let compressed = list.to_compressed();
    let bomb = StatusList::new(8, 1024 * 1024).expect("a size").to_compressed();
    let with = |name: &str, change: &dyn Fn(TokenDraft) -> TokenDraft| change(setup.draft(name, &list)).sign();
    type Change<'c> = Box<dyn Fn(TokenDraft) -> TokenDraft + 'c>;
    let changes: Vec<(&str, Change<'_>)> = vec![
        ("typ", Box::new(|draft| draft.header("typ", "at+jwt"))),
        ("no-typ", Box::new(|draft| draft.without_header("typ"))),
        ("sub", Box::new(|draft| draft.subject(setup.uri("another")))),
        ("no-sub", Box::new(|draft| draft.without_claim("sub"))),
        ("iss", Box::new(|draft| draft.claim("iss", "https://another.test"))),
        ("aud", Box::new(|draft| draft.audience("another"))),
        ("no-iat", Box::new(|draft| draft.without_claim("iat"))),
        ("iat", Box::new(|draft| draft.claim("iat", now + 3600))),
        ("nbf", Box::new(|draft| draft.claim("nbf", now + 3600))),
        ("exp", Box::new(|draft| draft.claim("exp", now - 3600))),
        ("ttl", Box::new(|draft| draft.claim("ttl", 0))),
        ("ttl-text", Box::new(|draft| draft.claim("ttl", "5"))),
        ("ttl-negative", Box::new(|draft| draft.claim("ttl", -5))),
        ("no-list", Box::new(|draft| draft.without_claim("status_list"))),
        ("bits", Box::new(|draft| draft.claim("status_list", status_list(3, &compressed)))),
        ("no-bits", Box::new(|draft| draft.claim("status_list", json!({ "lst": lst(&compressed) })))),
        ("no-zlib", Box::new(|draft| draft.claim("status_list", status_list(1, b"zeros")))),
        ("padded", Box::new(|draft| draft.claim("status_list", json!({ "bits": 1, "lst": lst(&compressed) + "=" })))),
    ];
    for (name, change) in &changes {
        setup.host.publish(&format!("lists/{name}"), Published::List(with(name, &**change)));
        assert_eq!(setup.status(&setup.token(name, 1)).await, 503, "{name}");
        setup.issuer.clock().advance(Duration::from_secs(1)); // new lists are limited per second
    }
    let of_stranger = draft(&stranger, &setup.uri("stranger"), &list).sign();
    let redirect = HeaderMap::from_iter([(header::LOCATION, setup.uri("good").parse().expect("a value"))]);
    let signed = with("tampered", &|draft| draft);
    let tampered = format!("{}AAAA", &signed[..signed.len() - 4]);
    let large = with("large", &|draft| draft.claim("x", "x".repeat(10 * 1024 * 1024)));
    for (name, published) in [
        ("stranger", Published::List(of_stranger)),
        ("tampered", Published::List(tampered)),
        ("large", Published::List(large)),
        ("redirect", Published::Other(StatusCode::FOUND, redirect, Vec::new())),
        ("error", Published::Other(StatusCode::INTERNAL_SERVER_ERROR, HeaderMap::new(), Vec::new())),
        ("html", Published::Other(StatusCode::OK, HeaderMap::new(), b"<html>sign in</html>".to_vec())),
        ("binary", Published::Other(StatusCode::OK, HeaderMap::new(), vec![255; 100])),
    ] {
        setup.host.publish(&format!("lists/{name}"), published);
        assert_eq!(setup.status(&setup.token(name, 1)).await, 503, "{name}");
        setup.issuer.clock().advance(Duration::from_secs(1)); // new lists are limited per second
    }
    assert_eq!(setup.host.fetches("lists/good"), 0, "a redirect is not followed");
    // One byte more than permitted after decompression is too much; the compressed form is small.
    setup.host.publish(
        "lists/full",
        Published::List(with("full", &|draft| draft.claim("status_list", status_list(8, &bomb)))),
    );
    assert_eq!(setup.status(&setup.token("full", 1)).await, 200);
    // Each is repaired, and used once its pause is over, by a request or in the background.
    for (name, _) in &changes {
        setup.publish(name, &[]);
    }
    setup.issuer.clock().advance(Duration::from_secs(60));
    for (name, _) in &changes {
        assert_eq!(setup.status(&setup.token(name, 1)).await, 200, "{name}");
    }
}

#[tokio::test]
async fn s14_08_an_index_beyond_the_list_is_refused_whatever_the_unknown_policy() {
    let setup = Setup::with(|lists| lists, |issuer| issuer, UnknownPolicy::FailOpen).await;
    setup.publish("1", &[]);
    assert_eq!(setup.status(&setup.token("1", 999)).await, 200);
    assert_eq!(setup.ask(&setup.token("1", 1_000)).await, (401, "revoked".to_owned()));
    // A token that is newer than the list: it has grown meanwhile.
    setup.issuer.clock().advance(Duration::from_secs(2));
    let list = StatusList::new(2, 2_000).expect("a size");
    setup.host.publish("lists/1", Published::List(setup.draft("1", &list).sign()));
    assert_eq!(setup.status(&setup.token("1", 1_500)).await, 200);
    assert_eq!(setup.ask(&setup.token("1", 2_000)).await.0, 200, "not fetched again within the cool-down: unknown");
    setup.issuer.clock().advance(Duration::from_secs(11));
    assert_eq!(setup.ask(&setup.token("1", 2_000)).await, (401, "revoked".to_owned()));
}

#[tokio::test]
async fn s14_09_a_list_that_cannot_be_fetched_is_used_until_its_age_or_its_expiry_ends() {
    for (lifetime, until) in [(Duration::from_secs(3600), 120), (Duration::from_secs(60), 90)] {
        let max_age = |lists: StatusLists| lists.max_age(Duration::from_secs(120));
        let setup = Setup::with(max_age, |issuer| issuer, UnknownPolicy::FailClosed).await;
        let list = StatusList::new(1, 1_000).expect("a size");
        setup.host.publish("lists/1", Published::List(setup.draft("1", &list).lifetime(lifetime).sign()));
        let token = good(&setup.issuer).lifetime(Duration::from_secs(3_000));
        let place = json!({ "status_list": { "idx": 1, "uri": setup.uri("1") } });
        let token = token.claim("status", place).sign();
        assert_eq!(setup.status(&token).await, 200);
        setup.host.publish("lists/1", Published::Other(StatusCode::BAD_GATEWAY, HeaderMap::new(), Vec::new()));
        for seconds in [6, until - 10] {
            setup.issuer.clock().advance(Duration::from_secs(seconds));
            // At last 4 s before the end, with the 30 s of leeway of `exp`.
            assert_eq!(setup.status(&token).await, 200, "stale, within its bounds");
        }
        setup.issuer.clock().advance(Duration::from_secs(4));
        assert_eq!(setup.status(&token).await, 503);
        assert_eq!(setup.lists.stats().unusable, 1);
        setup.host.publish("lists/1", Published::List(setup.draft("1", &list).sign()));
        setup.issuer.clock().advance(Duration::from_secs(60));
        assert_eq!(setup.status(&token).await, 200, "the host is back");
    }
}

#[tokio::test]
async fn s15_01_a_host_that_hangs_delays_only_the_tokens_of_its_list() {
    let setup = Arc::new(Setup::start().await);
    setup.publish("good", &[]);
    let end = Arc::new(Notify::new());
    setup.host.publish("lists/slow", Published::Hang(Arc::clone(&end)));
    let slow: Vec<_> = (0..20)
        .map(|index| {
            let (setup, token) = (Arc::clone(&setup), setup.token("slow", index));
            tokio::spawn(async move { setup.status(&token).await })
        })
        .collect();
    let good = setup.token("good", 1);
    assert_eq!(setup.status(&good).await, 200);
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(setup.status(&good).await, 200);
    }
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    for request in slow {
        assert_eq!(request.await.expect("no panic"), 503);
    }
    assert_eq!(setup.host.fetches("lists/slow"), 1, "one fetch for all");
    assert_eq!(setup.host.fetches("lists/good"), 1);
    end.notify_waiters();
}

#[tokio::test]
async fn s15_01_the_lists_of_an_issuer_are_bounded_and_those_in_use_stay() {
    let setup = Setup::with(|lists| lists.max_lists(2), |issuer| issuer, UnknownPolicy::FailClosed).await;
    for name in ["1", "2", "3"] {
        setup.publish(name, &[]);
    }
    assert_eq!((setup.status(&setup.token("1", 1)).await, setup.status(&setup.token("2", 1)).await), (200, 200));
    assert_eq!(setup.status(&setup.token("3", 1)).await, 503);
    assert_eq!(setup.status(&setup.token("1", 1)).await, 200);
    assert_eq!(setup.host.fetches("lists/3"), 0);
    // Nobody asks for a list any more: it makes room.
    setup.issuer.clock().advance(Duration::from_secs(200));
    assert_eq!(setup.status(&setup.token("1", 1)).await, 200);
    assert_eq!(setup.status(&setup.token("3", 1)).await, 200);
    assert_eq!(setup.lists.stats().lists, 2);
}

#[test]
fn s14_08_faulty_settings_are_reported_when_the_layer_is_built() {
    let issuer = TestIssuer::new();
    let fields = |lists: StatusLists| {
        let builder = AuthenticateLayer::builder(issuer.verifier_for("api")).revocation(Arc::new(lists));
        let error = builder.build().expect_err("faulty");
        error.faults().iter().map(|fault| fault.field.to_string()).collect::<Vec<_>>()
    };
    let lists = || StatusLists::new(&issuer.verifier_for("api"));
    let at = |url: &str| StatusListIssuer::new(issuer.name()).location(url);
    let location = "status list location";
    assert_eq!(fields(lists().add_issuer(StatusListIssuer::new(issuer.name()))), [location]);
    assert_eq!(fields(lists().add_issuer(at("http://id.test/lists/"))), [location]);
    let good = || at("https://id.test/lists/");
    assert_eq!(fields(lists().add_issuer(good()).add_issuer(good())), ["status list issuer"]);
    assert_eq!(fields(lists().add_issuer(good()).max_age(Duration::ZERO)), ["max_age"]);
    assert_eq!(fields(lists().add_issuer(good()).max_lists(0)), ["max_lists"]);
    assert_eq!(fields(lists().add_issuer(good()).timeout(Duration::ZERO)), ["timeout"]);
    let other_clock = StatusLists::new(&TestIssuer::new().verifier_for("api")).add_issuer(good());
    assert_eq!(fields(other_clock), ["clock"]);
}
