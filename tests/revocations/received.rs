//! Revocations that a service receives from its provider: durable before they are acknowledged.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use countersign::clock::Clock;
use countersign::prelude::*;
use countersign::receivers::{LogoutReceiver, SignalReceiver};
use countersign::revocation::{Revocation, RevocationList};
use countersign::secret::Secret;
use countersign_issuer::{PostgresStore, ReceivedRevocations};
use countersign_redis::{RevocationFollower, RevocationPublisher, RevocationStream};
use countersign_test::{TestIssuer, TokenDraft};
use countersign_tests::peers::Postgres;
use countersign_tests::redis::RedisServer;
use serde_json::json;
use tower::ServiceExt;

use crate::world::{AFTER_OUTAGE_WITHIN, MAX_AGE, settings};

const HOUR: Duration = Duration::from_secs(3600);
const CLIENT: &str = "web-shop";
const SIGNALS: &str = "https://shop.test/signals";
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";
const SESSION_REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

/// How long a test waits at most for what must come.
const AT_MOST: Duration = Duration::from_secs(30);

/// An instance that receives, publishes and follows.
struct Shop {
    app: Router,
    _publisher: RevocationPublisher,
    _follower: RevocationFollower,
}

impl Shop {
    fn start(provider: &TestIssuer, database: &Secret<String>, redis: &RedisServer) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(provider.clock().clone());
        let store = Arc::new(PostgresStore::connect(database).expect("a store"));
        let received = ReceivedRevocations::open_with_clock(store, provider.name(), clock).expect("its own store");
        let stream = RevocationStream::connect_in_background(settings(redis), provider.name()).expect("settings");
        let list = Arc::new(RevocationList::new());
        let follower = stream.follow(list.feed(MAX_AGE)).expect("a runtime");
        let publisher = stream.publish(received.clone()).expect("a runtime");
        let (verifier, sink) = (provider.verifier_for("api"), Arc::new(received));
        let logout = LogoutReceiver::new(&verifier, CLIENT, Arc::clone(&sink), HOUR).expect("settings");
        let signals = SignalReceiver::new(&verifier, SIGNALS, sink, HOUR).expect("settings");
        let layer = AuthenticateLayer::builder(verifier).revocation(Revocation::new(list)).build().expect("a layer");
        let app = Router::new().route("/", get(|| async { "in" })).layer(layer);
        let app = app.route("/logout", logout.route()).route("/signals", signals.route());
        Shop { app, _publisher: publisher, _follower: follower }
    }

    async fn answer(&self, request: Request<Body>) -> u16 {
        self.app.clone().oneshot(request).await.expect("an answer").status().as_u16()
    }

    async fn status(&self, token: &str) -> u16 {
        let request = Request::get("/").header("authorization", format!("Bearer {token}"));
        self.answer(request.body(Body::empty()).expect("a request")).await
    }

    async fn until(&self, token: &str, expected: u16) -> Duration {
        let start = Instant::now();
        while self.status(token).await != expected {
            assert!(start.elapsed() < AT_MOST, "it is not {expected}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        start.elapsed()
    }

    async fn post(&self, path: &str, kind: &str, body: String) -> u16 {
        self.answer(Request::post(path).header("content-type", kind).body(body.into()).expect("a request")).await
    }

    async fn log_out(&self, token: &str) -> u16 {
        self.post("/logout", "application/x-www-form-urlencoded", format!("logout_token={token}")).await
    }

    async fn signal(&self, token: &str) -> u16 {
        self.post("/signals", "application/secevent+jwt", token.to_owned()).await
    }
}

fn access_token(provider: &TestIssuer, subject: &str, session: &str) -> String {
    let draft = provider.token().subject(subject).audience("api").lifetime(HOUR);
    draft.claim("jti", format!("of {subject} in {session}")).claim("sid", session).sign()
}

fn logout_token(provider: &TestIssuer, session: &str) -> TokenDraft {
    let draft = provider.token().audience(CLIENT).header("typ", "logout+jwt").claim("events", json!({ LOGOUT: {} }));
    let draft = draft.lifetime(Duration::from_secs(120)).without_claim("sub").without_claim("client_id");
    draft.claim("jti", format!("logout of {session}")).claim("sid", session)
}

fn security_event(provider: &TestIssuer, subject: &str) -> TokenDraft {
    let named = json!({ "format": "iss_sub", "iss": provider.name(), "sub": subject });
    let draft = provider.token().audience(SIGNALS).header("typ", "secevent+jwt").claim("jti", format!("for {subject}"));
    let draft = draft.without_claim("exp").without_claim("sub").without_claim("client_id");
    draft.claim("sub_id", named).claim("events", json!({ SESSION_REVOKED: {} }))
}

/// S14.10, S14.11: acknowledged only if it is stored; what is stored outlives Redis and the instance.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(all(has_redis, has_postgres)), ignore = "needs Redis and PostgreSQL: tests/peers/install")]
async fn s14_10_s14_11_s14_12_what_receivers_took_is_in_force_after_redis_was_emptied() {
    let (provider, mut redis, mut postgres) = (TestIssuer::new(), RedisServer::start(), Postgres::start());
    let database = Secret::from(postgres.settings());
    let shop = Shop::start(&provider, &database, &redis);
    let token = |subject: &str, session: &str| access_token(&provider, subject, session);
    let (of_session, of_subject, later, good) =
        (token("u1", "s1"), token("u2", "s2"), token("u3", "s3"), token("u4", "s4"));
    shop.until(&good, 200).await;
    assert_eq!((shop.status(&of_session).await, shop.status(&of_subject).await), (200, 200));
    assert_eq!(shop.log_out(&logout_token(&provider, "s1").sign()).await, 200);
    assert_eq!(shop.signal(&security_event(&provider, "u2").sign()).await, 202);
    for revoked in [&of_session, &of_subject] {
        shop.until(revoked, 401).await;
    }

    postgres.kill();
    let logout = logout_token(&provider, "s3").sign();
    assert_eq!(shop.log_out(&logout).await, 503, "nobody has it");
    assert_eq!(shop.signal(&security_event(&provider, "u3").sign()).await, 503);
    postgres.start_again();
    let start = Instant::now();
    while shop.log_out(&logout).await != 200 {
        assert!(start.elapsed() < AT_MOST, "the provider sends it again, and it is taken");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    redis.kill();
    redis.start_again();
    drop(shop);
    let shop = Shop::start(&provider, &database, &redis);
    let start = Instant::now();
    loop {
        // In this order: until it knows everything, it decides nothing.
        let passes = shop.status(&good).await == 200;
        for revoked in [&of_session, &of_subject, &later] {
            let status = shop.status(revoked).await;
            assert!(status == 401 || (status == 503 && !passes), "{status}; others pass: {passes}");
        }
        if passes {
            break;
        }
        assert!(start.elapsed() < AT_MOST, "it decides nothing");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(start.elapsed() <= AFTER_OUTAGE_WITHIN, "{:?}", start.elapsed());
}
