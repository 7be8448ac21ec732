//! Responses that run while the key of their token, or the trust in its issuer, ends; with tokio's paused time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::clock::Clock;
use countersign::issuers::ResolvedIssuers;
use countersign::key::{KeyCell, KeySet, KeySource, RefreshFuture, RefreshOutcome, RefreshReason};
use countersign::lifetime::TokenEnd;
use countersign::policy::{NeedsAudience, TrustedIssuer};
use countersign::verify::{CACHE_BYTES, Verifier};
use countersign_test::TestIssuer;
use tower::ServiceExt;

use crate::app::good;
use crate::lifetime::{LIFE, Paused};

/// A source whose set the test replaces.
#[derive(Debug, Default)]
struct Keys {
    cell: KeyCell,
    is_down: AtomicBool,
}

impl Keys {
    fn of(jwks: &str) -> Arc<Self> {
        let keys = Keys::default();
        keys.publish(jwks);
        Arc::new(keys)
    }

    fn publish(&self, jwks: &str) {
        self.cell.store(Arc::new(KeySet::from_jwks(jwks.as_bytes()).expect("keys")), None);
    }
}

impl KeySource for Keys {
    fn cell(&self) -> &KeyCell {
        &self.cell
    }

    fn refresh(&self, _: RefreshReason) -> RefreshFuture<'_> {
        let retry_after = Duration::from_secs(1);
        Box::pin(std::future::ready(match self.is_down.load(Ordering::SeqCst) {
            true => RefreshOutcome::Unavailable { retry_after },
            false => RefreshOutcome::Refreshed,
        }))
    }
}

/// The seconds after which a response with this token ends, if `change` happens while it runs.
async fn end_after(verifier: Verifier, token: &str, change: impl FnOnce()) -> u64 {
    let (send, mut receive) = tokio::sync::mpsc::channel(1);
    let handler = move |end: TokenEnd| async move { send.send(end).await.expect("received") };
    let router = Router::new().route("/", get(handler)).layer(AuthenticateLayer::new(verifier));
    let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(Body::empty());
    assert_eq!(router.oneshot(request.expect("a request")).await.expect("answered").status(), 200);
    let (end, start) = (receive.recv().await.expect("sent"), tokio::time::Instant::now());
    change();
    tokio::time::timeout(LIFE * 2, end.reached()).await.expect("it ends");
    start.elapsed().as_secs()
}

/// Without a cache, the text of a token is not kept.
const CACHES: [usize; 2] = [CACHE_BYTES, 0];

/// The keys of `issuer` and one more.
fn with_another_key(issuer: &TestIssuer) -> String {
    let mut set: serde_json::Value = serde_json::from_str(&issuer.jwks()).expect("JSON");
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let another = serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "kid": "another", "x": x });
    set["keys"].as_array_mut().expect("keys").push(another);
    set.to_string()
}

#[tokio::test(start_paused = true)]
async fn s4_08_a_stream_ends_within_a_minute_of_the_withdrawal_of_its_key() {
    type Change = (&'static str, fn(&Keys, &TestIssuer, Duration), u64);
    let changes: [Change; 7] = [
        ("nothing", |_, _, _| (), 300),
        ("a key is added", |keys, issuer, _| keys.publish(&with_another_key(issuer)), 300),
        ("the keys are replaced under the same names", |keys, _, _| keys.publish(&TestIssuer::new().jwks()), 60),
        (
            "only another key is left",
            |keys, issuer, _| {
                let mut set: serde_json::Value = serde_json::from_str(&with_another_key(issuer)).expect("JSON");
                set["keys"].as_array_mut().expect("keys").retain(|key| key["kid"] == "another");
                keys.publish(&set.to_string());
            },
            60,
        ),
        ("all keys are withdrawn", |keys, _, now| keys.cell.withdraw(now + Duration::from_secs(10)), 60),
        (
            "an outage",
            |keys, _, now| {
                keys.is_down.store(true, Ordering::SeqCst);
                keys.cell.serve_stale(now + Duration::from_secs(10));
            },
            300,
        ),
        (
            "an outage without keys",
            |keys, _, _| {
                keys.is_down.store(true, Ordering::SeqCst);
                keys.cell.clear();
            },
            300,
        ),
    ];
    for (what, change, expected) in changes {
        for cache_bytes in CACHES {
            let issuer = TestIssuer::new();
            let (clock, keys) = (Paused::new(&issuer), Keys::of(&issuer.jwks()));
            let trusted = NeedsAudience::new(issuer.name(), Arc::clone(&keys) as Arc<dyn KeySource>).audience("api");
            let builder = Verifier::builder().trust(trusted).clock(Arc::clone(&clock) as Arc<dyn Clock>);
            let verifier = builder.cache_bytes(cache_bytes).build().expect("a policy");
            let token = good(&issuer).lifetime(LIFE).sign();
            let found = end_after(verifier, &token, || change(&keys, &issuer, clock.elapsed())).await;
            assert_eq!(found, expected, "{what}, cache of {cache_bytes}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s3_09_a_stream_ends_within_a_minute_of_the_greatest_age_of_its_token() {
    for cache_bytes in CACHES {
        let issuer = TestIssuer::new();
        let trusted = NeedsAudience::new(issuer.name(), issuer.key_source()).audience("api");
        let trusted = trusted.max_age(Duration::from_secs(100)).leeway(Duration::from_secs(5));
        let builder = Verifier::builder().trust(trusted).clock(Paused::new(&issuer) as Arc<dyn Clock>);
        let verifier = builder.cache_bytes(cache_bytes).build().expect("a policy");
        let found = end_after(verifier, &good(&issuer).lifetime(LIFE).sign(), || ()).await;
        assert_eq!(found, 120, "cache of {cache_bytes}");
    }
}

/// A database of one tenant.
#[derive(Default)]
struct Database {
    tenant: Mutex<Option<TrustedIssuer>>,
    is_down: AtomicBool,
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_within_a_minute_of_the_removal_of_its_tenant() {
    type Change = (&'static str, fn(&Database, &ResolvedIssuers, &TestIssuer), u64);
    let trusted = |issuer: &TestIssuer| NeedsAudience::new(issuer.name(), issuer.key_source()).audience("api");
    let changes: [Change; 6] = [
        ("nothing", |_, _, _| (), 300),
        ("forgotten and found again", |_, issuers, issuer| issuers.forget(issuer.name()), 300),
        (
            "removed",
            |database, issuers, issuer| {
                *database.tenant.lock().expect("sound") = None;
                issuers.forget(issuer.name());
            },
            60,
        ),
        (
            "replaced by one with other keys",
            |database, issuers, issuer| {
                let keys = TestIssuer::new().key_source();
                let other = NeedsAudience::new(issuer.name(), keys).audience("api");
                *database.tenant.lock().expect("sound") = Some(other);
                issuers.forget(issuer.name());
            },
            60,
        ),
        (
            "replaced by one with another audience",
            |database, issuers, issuer| {
                let other = NeedsAudience::new(issuer.name(), issuer.key_source()).audience("billing");
                *database.tenant.lock().expect("sound") = Some(other);
                issuers.forget(issuer.name());
            },
            60,
        ),
        (
            "forgotten while the database is down",
            |database, issuers, issuer| {
                database.is_down.store(true, Ordering::SeqCst);
                issuers.forget(issuer.name());
            },
            300,
        ),
    ];
    for (what, change, expected) in changes {
        for cache_bytes in CACHES {
            for is_replaceable in [false, true] {
                let issuer = TestIssuer::new();
                let database = Arc::new(Database::default());
                *database.tenant.lock().expect("sound") = Some(trusted(&issuer));
                let asked = Arc::clone(&database);
                let issuers = Arc::new(ResolvedIssuers::new(move |_: String| {
                    let database = Arc::clone(&asked);
                    async move {
                        match database.is_down.load(Ordering::SeqCst) {
                            true => Err("the database is down".into()),
                            false => Ok(database.tenant.lock().expect("sound").clone()),
                        }
                    }
                }));
                let clock = Paused::new(&issuer) as Arc<dyn Clock>;
                let builder = Verifier::builder().trust_resolved(Arc::clone(&issuers) as _).clock(clock);
                let builder = builder.cache_bytes(cache_bytes);
                let verifier = match is_replaceable {
                    true => builder.build_replaceable().expect("a policy").0,
                    false => builder.build().expect("a policy"),
                };
                let token = good(&issuer).lifetime(LIFE).sign();
                let found = end_after(verifier, &token, || change(&database, &issuers, &issuer)).await;
                assert_eq!(found, expected, "{what}, cache of {cache_bytes}, replaceable: {is_replaceable}");
            }
        }
    }
}
