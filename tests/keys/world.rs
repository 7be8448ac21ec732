//! A verifier, its issuer and a key server under a manual clock, over real sockets.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use countersign::error::VerifyError;
use countersign::health::Health;
use countersign::key::{KeyHealth, KeySource};
use countersign::keys::{RefreshPolicy, RemoteKeys};
use countersign::policy::NeedsAudience;
use countersign::verify::{Verified, Verifier};
use countersign_test::TestIssuer;

use crate::server::{Reply, Server, ok};

/// Stops tokio's clock: only [`World::advance`] moves it, even when all tasks wait.
struct Still(#[allow(dead_code, reason = "dropping it ends the blocking task")] mpsc::Sender<()>);

impl Still {
    fn hold() -> Self {
        let (held, until_dropped) = mpsc::channel::<()>();
        tokio::time::pause();
        tokio::task::spawn_blocking(move || until_dropped.recv()); // tokio skips no time while one runs
        Still(held)
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        tokio::time::resume();
    }
}

/// How often other tasks run in each step of [`World::advance`]: enough for a request on loopback.
const TURNS: usize = 60;

pub struct World {
    pub issuer: TestIssuer,
    pub server: Arc<Server>,
    pub keys: Arc<RemoteKeys>,
    pub verifier: Verifier,
    _still: Still,
}

/// The policy of these tests, independent of the defaults.
pub fn policy() -> RefreshPolicy {
    RefreshPolicy::default()
        .default_lifetime(Duration::from_secs(600))
        .min_lifetime(Duration::from_secs(60))
        .max_lifetime(Duration::from_secs(3600))
        .refresh_ahead(0.8)
        .jitter(0.0)
        .cool_down(Duration::from_secs(10))
        .stale_for(Duration::from_secs(3600))
        .timeout(Duration::from_secs(5))
        .max_wait(Duration::from_secs(1))
        .initial_backoff(Duration::from_secs(1))
        .max_backoff(Duration::from_secs(60))
}

impl World {
    /// Keys from a server that runs `script`.
    pub async fn with(script: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Self {
        Self::of(Server::start(script).await, |url| RemoteKeys::from_url(format!("{url}/jwks")))
    }

    /// Keys from a server that responds with the issuer's current keys.
    pub async fn honest() -> Self {
        let world = Self::with(|_, _| Reply::Hang).await;
        world.recover();
        world
    }

    pub fn of(server: Arc<Server>, keys: impl FnOnce(&str) -> RemoteKeys) -> Self {
        let still = Still::hold();
        let issuer = TestIssuer::new().with_name(&server.url);
        let clock = Arc::new(issuer.clock().clone());
        let keys = Arc::new(keys(&server.url).refresh_policy(policy()));
        let source: Arc<dyn KeySource> = keys.clone();
        let trusted = NeedsAudience::new(&server.url, source).audience("orders");
        let verifier = Verifier::builder().trust(trusted).clock(clock).build().expect("a good policy");
        World { issuer, server, keys, verifier, _still: still }
    }

    /// Lets the server respond with the issuer's keys from now on.
    pub fn recover(&self) {
        let issuer = self.issuer.clone();
        self.server.now(move |_, _| ok(issuer.jwks()));
    }

    pub fn token(&self) -> String {
        self.issuer.token().audience("orders").lifetime(Duration::from_secs(7 * 86_400)).sign()
    }

    /// A well-formed token whose key was never published.
    pub fn with_unknown_key(&self, number: usize) -> String {
        unknown_key(&self.server.url, number, &self.issuer)
    }

    pub async fn verify(&self, token: &str) -> Result<Arc<Verified>, VerifyError> {
        self.verifier.verify(token).await
    }

    /// `ok`, or the code of the refusal.
    pub async fn verdict(&self, token: &str) -> &'static str {
        self.verify(token).await.map_or_else(|error| error.code(), |_| "ok")
    }

    /// Advances every clock by `time`, in steps of a second, so that background tasks run in between.
    pub async fn advance(&self, time: Duration) {
        let mut left = time;
        while !left.is_zero() {
            let step = left.min(Duration::from_secs(1));
            self.issuer.clock().advance(step);
            tokio::time::advance(step).await;
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
            left -= step;
        }
    }

    pub fn health(&self) -> KeyHealth {
        Health::new(&self.verifier).report().remove(0).1
    }
}

/// A token of an issuer with this name, at the time of `like`, signed with a key whose `kid` ends in `number`.
pub fn unknown_key(issuer: &str, number: usize, like: &TestIssuer) -> String {
    let signer = TestIssuer::new().with_name(issuer);
    signer.clock().step_wall(countersign::clock::Clock::now(like.clock()));
    signer.token().audience("orders").header("kid", format!("nobody-{number}")).sign()
}

/// Lets other tasks run until `done`; fails after ten seconds of real time.
pub async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(10), "not in time: {what}");
        tokio::task::yield_now().await;
    }
}
