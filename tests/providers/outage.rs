//! A provider that hangs, is killed and comes back while requests arrive.

use std::time::{Duration, Instant};

use countersign::keys::{RefreshPolicy, RemoteKeys};
use countersign::verify::Verifier;
use countersign_test::TestIssuer;

use countersign_tests::http::Service;

use crate::load::Load;
use crate::script::Server;

/// A provider that a test harms.
pub trait Harmed {
    /// Sends it a signal: `STOP` lets it hang, `CONT` lets it go on.
    fn signal(&mut self, name: &str);
    /// Kills it and waits for its end.
    async fn kill(&mut self);
    /// Starts it again, with the data that it had, and waits until it answers.
    async fn start(&mut self);
}

impl Harmed for Server {
    fn signal(&mut self, name: &str) {
        Server::signal(self, name);
    }

    async fn kill(&mut self) {
        Server::kill(self);
    }

    async fn start(&mut self) {
        Server::start(self).await;
    }
}

/// The time for which a test keeps its provider away; `OUTAGE_SECONDS` sets another.
pub fn outage() -> Duration {
    Duration::from_secs(std::env::var("OUTAGE_SECONDS").map_or(5, |count| count.parse().expect("a number")))
}

/// Keys are fetched every two seconds.
pub fn often() -> RefreshPolicy {
    let second = Duration::from_secs(1);
    RefreshPolicy::default().default_lifetime(2 * second).min_lifetime(second).max_lifetime(2 * second)
}

/// Keys of this issuer that are fetched every two seconds.
pub fn keys_that_are_fetched_often(issuer: &str) -> RemoteKeys {
    RemoteKeys::from_issuer(issuer).refresh_policy(often())
}

/// Lets the server hang, and kills it. Meanwhile `token` is accepted, and the token `unknown` of a key that nobody knows gets 503.
pub async fn hang_and_die(
    server: &mut impl Harmed,
    verifier: &Verifier,
    token: String,
    unknown: impl Fn(&TestIssuer) -> String,
) -> Load {
    let load = Load::start(verifier, token).await;
    for harm in ["STOP", "KILL"] {
        match harm {
            "STOP" => server.signal("STOP"),
            _ => server.kill().await,
        }
        tokio::time::sleep(outage()).await;
        let error = verifier.verify(&unknown(&TestIssuer::with_system_clock())).await.expect_err("invented");
        assert_eq!(error.code(), "keys_unavailable", "{harm}: an unknown key may be a new one");
        match harm {
            "STOP" => server.signal("CONT"),
            _ => server.start().await,
        }
    }
    load
}

/// Expects that no request failed, and that the token of a new key is accepted as soon as the pause after the last failed fetch
/// is over, which is no longer than the outage was.
pub async fn recover(load: Load, verifier: &Verifier, renewed: &str) {
    let codes = load.end().await;
    println!("hung and gone for {:?} each: {codes:?}", outage());
    assert!(codes.keys().eq(&["ok"]), "{codes:?}");
    let began = Instant::now();
    while let Err(error) = verifier.verify(renewed).await {
        assert_eq!(error.code(), "keys_unavailable");
        assert!(began.elapsed() < outage() + Duration::from_secs(10), "{error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("the new key was known after {:?}", began.elapsed());
}

/// Expects of the service at `path`, of which the provider has lost the keys of the token `old`, that it accepts `new` within half
/// a minute and then refuses `old`.
pub async fn accept_the_new_and_refuse_the_old(
    (service, path): (&Service, &str),
    verifier: &Verifier,
    (old, new): (&str, &str),
) {
    let began = Instant::now();
    let answer = async |token: &str| loop {
        let status = service.get(path, token).await.status;
        if status != 503 {
            return status;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "keys stay unavailable");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(answer(new).await, 200, "fetched for its unknown key");
    let accepted = began.elapsed();
    assert_eq!(answer(old).await, 401, "of a key that the fresh set does not have");
    println!(
        "database lost: the new key was known after {accepted:?}, the old one refused after {:?}",
        began.elapsed()
    );
    // For some seconds after a fetch in vain an unknown key gets 503, because nobody knows whether it is a new one.
    let code = loop {
        match verifier.verify(old).await.expect_err("refused").code() {
            "keys_unavailable" => assert!(began.elapsed() < Duration::from_secs(30), "keys stay unavailable"),
            code => break code,
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(code, "unknown_key");
    assert_eq!(service.get(path, new).await.status, 200);
}
