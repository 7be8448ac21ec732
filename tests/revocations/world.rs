//! Instances of an issuer that share a store, and services that follow its revocations.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::routing::get;
use countersign::clock::UnixTime;
use countersign::mint::Draft;
use countersign::policy::TrustedIssuer;
use countersign::prelude::*;
use countersign::revocation::{Revocation, RevocationList, RevocationNotice};
use countersign_issuer::{Audience, Issuer, Store};
use countersign_redis::{RedisSettings, RevocationFollower, RevocationPublisher, RevocationStream};
use countersign_test::ManualClock;
use countersign_tests::redis::RedisServer;
use tower::ServiceExt;

pub const ISSUER: &str = "https://id.test";

/// The age of a feed from which statuses are unknown.
pub const MAX_AGE: Duration = Duration::from_secs(10);

/// The time within which a revocation is in force everywhere.
pub const EVERYWHERE_WITHIN: Duration = Duration::from_secs(2);

/// The time after an outage of Redis within which it is.
pub const AFTER_OUTAGE_WITHIN: Duration = Duration::from_secs(5);

/// How long a test waits at most for what must come.
const AT_MOST: Duration = Duration::from_secs(30);

/// The clock of all parts. It is that of the system, until a test moves it.
pub struct World {
    pub clock: ManualClock,
}

/// An instance of the issuer that publishes.
pub struct Sts {
    pub issuer: Issuer,
    _publisher: RevocationPublisher,
}

/// An instance of a service that follows.
pub struct Instance {
    app: Router,
    pub follower: RevocationFollower,
}

impl World {
    pub fn new() -> Self {
        World { clock: ManualClock::from_system() }
    }

    /// An issuer with this store.
    pub fn issuer(&self, store: Arc<dyn Store>) -> Issuer {
        let builder = Issuer::builder(ISSUER).add_audience(Audience::new("orders")).store(store);
        builder.clock(Arc::new(self.clock.clone())).build().expect("an issuer")
    }

    /// An issuer with this store that publishes to the server.
    pub fn sts(&self, store: Arc<dyn Store>, settings: RedisSettings) -> Sts {
        let issuer = self.issuer(store);
        let stream = RevocationStream::connect_in_background(settings, ISSUER).expect("sound settings");
        Sts { _publisher: stream.publish(issuer.clone()).expect("a runtime"), issuer }
    }

    /// A service that follows.
    pub fn service(&self, trusted: TrustedIssuer, settings: RedisSettings) -> Instance {
        let verifier =
            Verifier::builder().trust(trusted).clock(Arc::new(self.clock.clone())).build().expect("a policy");
        let stream = RevocationStream::connect_in_background(settings, ISSUER).expect("sound settings");
        let list = Arc::new(RevocationList::new());
        let follower = stream.follow(list.feed(MAX_AGE)).expect("a runtime");
        Instance { app: app(verifier, list), follower }
    }

    /// Three of them.
    pub fn services(&self, sts: &Sts, server: &RedisServer) -> [Instance; 3] {
        [(); 3].map(|()| self.service(sts.issuer.trusted_for("orders"), settings(server)))
    }
}

/// The service with this list.
pub fn app(verifier: Verifier, list: Arc<RevocationList>) -> Router {
    let layer = AuthenticateLayer::builder(verifier).revocation(Revocation::new(list)).build().expect("a layer");
    Router::new().route("/r", get(|| async { "in" })).layer(layer)
}

pub fn settings(server: &RedisServer) -> RedisSettings {
    RedisSettings::new(server.url())
}

impl Sts {
    pub fn token(&self, subject: &str) -> Token {
        let draft = Draft::access_token().subject(subject).audience("orders").client_id("web");
        let minted = self.issuer.mint(&draft).expect("a token");
        let notice = RevocationNotice::token(ISSUER, minted.token_id(), minted.expires_at()).expect("a notice");
        Token { text: minted.as_str().to_owned(), notice }
    }

    pub async fn revoke(&self, token: &Token) {
        self.issuer.revoke(token.notice.clone()).await.expect("stored");
    }
}

/// A token, and the revocation of it alone.
pub struct Token {
    pub text: String,
    pub notice: RevocationNotice,
}

impl Instance {
    pub async fn status(&self, token: &Token) -> u16 {
        let request = Request::get("/r").header("authorization", format!("Bearer {}", token.text));
        let response =
            self.app.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("an answer");
        let status = response.status().as_u16();
        to_bytes(response.into_body(), 65_536).await.expect("a body");
        status
    }

    /// Waits for this status, and returns for how long.
    pub async fn until(&self, token: &Token, expected: u16) -> Duration {
        let start = Instant::now();
        loop {
            let status = self.status(token).await;
            if status == expected {
                return start.elapsed();
            }
            assert!(start.elapsed() < AT_MOST, "{status} in place of {expected}; age {:?}", self.follower.age());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A service that has just started: until it knows all revocations, it decides nothing.
    pub async fn until_complete(&self, good: &Token, revoked: &[&Token]) -> Duration {
        let start = Instant::now();
        loop {
            // In this order: what comes between may only add revocations.
            let passes = self.status(good).await == 200;
            for token in revoked {
                let status = self.status(token).await;
                assert!(status == 401 || (status == 503 && !passes), "{status}; others pass: {passes}");
            }
            if passes {
                return start.elapsed();
            }
            assert!(start.elapsed() < AT_MOST, "it decides nothing");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Waits until all have this status, and returns for how long.
pub async fn until_all(instances: &[Instance], token: &Token, expected: u16) -> Duration {
    let start = Instant::now();
    futures_util::future::join_all(instances.iter().map(|instance| instance.until(token, expected))).await;
    start.elapsed()
}

/// The keys of the stream's entries in the server.
pub fn entry_keys(server: &RedisServer) -> Vec<String> {
    let keys = server.run(&["KEYS", "countersign:revocations:*:entries:*"]);
    keys.lines().filter(|key| !key.is_empty()).map(str::to_owned).collect()
}

pub fn end_of(token: &Token) -> UnixTime {
    token.notice.expires_at()
}

/// The key set that the issuer publishes.
pub async fn jwks(issuer: &Issuer) -> String {
    let request = Request::get("/jwks").body(Body::empty()).expect("a request");
    let response = issuer.router().oneshot(request).await.expect("infallible");
    String::from_utf8(to_bytes(response.into_body(), 65_536).await.expect("a body").into()).expect("text")
}
