//! Single flight, callers that give up, and bounds on what untrusted clients can cause.

use std::sync::Arc;
use std::time::Duration;

use countersign::key::KeySource;
use countersign::keys::RemoteKeys;
use countersign::policy::NeedsAudience;
use countersign::verify::Verifier;

use crate::server::{Reply, Server, ok};
use crate::world::{World, unknown_key, until};

#[tokio::test]
#[cfg_attr(not(is_ci), ignore = "takes long; CI=true runs it")]
async fn s4_15_s4_17_ten_thousand_unknown_kids_at_once_are_one_fetch() {
    let world = World::honest().await;
    assert_eq!(world.verdict(&world.token()).await, "ok");
    world.advance(Duration::from_secs(11)).await;
    let before = world.server.count();
    let mut asking = Vec::new();
    for number in 0..10_000 {
        let (verifier, token) = (world.verifier.clone(), world.with_unknown_key(number));
        asking.push(tokio::spawn(async move { verifier.verify(&token).await.map_err(|error| error.code()) }));
    }
    let mut codes = std::collections::BTreeMap::<_, usize>::new();
    for verdict in asking {
        *codes.entry(verdict.await.expect("no panic").map(|_| ()).expect_err("an unknown key")).or_default() += 1;
    }
    println!("ten thousand unknown kids at once: {codes:?}");
    assert_eq!(codes.get("unknown_key"), Some(&1), "the one whose fetch began after it came");
    assert_eq!(codes.get("keys_unavailable"), Some(&9_999), "their keys may be newer than the fetch");
    assert_eq!(world.server.count() - before, 1);
}

#[tokio::test]
#[cfg_attr(not(is_ci), ignore = "takes long; CI=true runs it")]
async fn s4_15_s11_04_a_flood_of_kids_is_bounded_and_good_requests_are_unharmed() {
    let world = World::honest().await;
    let good = world.token();
    assert_eq!(world.verdict(&good).await, "ok");
    let seconds = 300;
    let (mut refused, mut waits) = (0, Vec::new());
    for second in 0..seconds {
        for number in 0..20 {
            let error = world.verify(&world.with_unknown_key(second * 20 + number)).await.expect_err("unknown");
            if error.is_unavailable() {
                waits.push(error.retry_after().expect("a time"));
            } else {
                refused += 1;
            }
        }
        assert_eq!(world.verdict(&good).await, "ok");
        world.advance(Duration::from_secs(1)).await;
    }
    let fetches = world.server.count();
    println!("{seconds} s of 20 unknown kids a second: {fetches} fetches");
    assert!(fetches <= 1 + seconds / 10, "{fetches}");
    assert_eq!(refused, fetches - 1, "one for each fetch");
    let (second, longest) = (Duration::from_secs(1), Duration::from_secs(10));
    assert!(waits.iter().all(|wait| (second..=longest).contains(wait)), "until the next fetch");
}

#[tokio::test]
async fn s4_14_malformed_kids_cause_no_fetch() {
    let world = World::honest().await;
    assert_eq!(world.verdict(&world.token()).await, "ok");
    world.advance(Duration::from_secs(11)).await;
    let long = "k".repeat(300);
    for kid in [serde_json::json!(5), serde_json::json!(["a"]), serde_json::json!(long), serde_json::json!("a\r\nb: c")]
    {
        let token = world.issuer.token().audience("orders").header("kid", kid.clone()).sign();
        assert!(world.verify(&token).await.is_err_and(|error| !error.is_unavailable()), "{kid}");
    }
    for kid in ["../../dev/null", "' OR 1=1--", "http://127.0.0.1:9/"] {
        let token = world.issuer.token().audience("orders").header("kid", kid).sign();
        assert_ne!(world.verdict(&token).await, "ok", "{kid}");
    }
    assert!(world.server.count() <= 3, "an unusual but valid kid causes a fetch, within the cool-down");
}

#[tokio::test]
async fn s4_24_keys_in_a_token_are_never_used() {
    let world = World::honest().await;
    let thief = Server::start(|_, _| ok("{}")).await;
    let forger = countersign_test::TestIssuer::new().with_name(&world.server.url);
    let jwk: serde_json::Value = serde_json::from_str(&forger.jwks()).expect("JSON");
    let jwk = &jwk["keys"][0];
    for (name, value) in
        [("jku", serde_json::json!(thief.url)), ("x5u", serde_json::json!(thief.url)), ("jwk", jwk.clone())]
    {
        for kid in [Some(world.issuer.key_id()), Some("own".to_owned()), None] {
            let token = forger.token().audience("orders").header(name, value.clone());
            let token = match kid.clone() {
                Some(kid) => token.header("kid", kid),
                None => token.without_header("kid"),
            };
            let is_invented = kid.as_deref() == Some("own");
            let error = world.verify(&token.sign()).await.expect_err(name);
            assert!(!error.is_unavailable() || is_invented, "{name}: {error}");
        }
    }
    let stray = world.issuer.token().audience("orders").header("jku", thief.url.clone()).sign();
    assert_eq!((world.verdict(&stray).await, thief.count()), ("ok", 0));
}

#[tokio::test]
async fn s4_17_the_first_caller_may_give_up_and_the_others_are_served() {
    let world = World::honest().await;
    let (release, released) = tokio::sync::watch::channel(false);
    let token = world.token();
    let mut asking: Vec<_> = (0..1000)
        .map(|_| {
            let (verifier, token) = (world.verifier.clone(), token.clone());
            let mut released = released.clone();
            tokio::spawn(async move {
                released.wait_for(|released| *released).await.expect("released");
                verifier.verify(&token).await.map(|_| ()).map_err(|error| error.code())
            })
        })
        .collect();
    release.send_replace(true);
    let first = asking.remove(0);
    tokio::task::yield_now().await; // all have asked: the first one started the fetch
    first.abort();
    for verdict in asking {
        assert_eq!(verdict.await.expect("no panic"), Ok(()));
    }
    assert_eq!(world.server.count(), 1);
}

#[tokio::test]
async fn s11_10_cold_callers_give_up_after_their_own_wait() {
    let world = World::with(|_, _| Reply::Hang).await;
    let token = world.token();
    let asking: Vec<_> = (0..10_000)
        .map(|_| {
            let (verifier, token) = (world.verifier.clone(), token.clone());
            tokio::spawn(async move { verifier.verify(&token).await.map_err(|error| error.code()) })
        })
        .collect();
    world.server.asked(1).await;
    world.advance(Duration::from_secs(2)).await;
    for verdict in asking {
        assert_eq!(verdict.await.expect("no panic").map(|_| ()), Err("keys_unavailable"));
    }
    assert_eq!(world.server.count(), 1);
}

#[test]
fn a_runtime_that_ends_takes_no_later_caller_along() {
    let shared = runtime();
    let server = shared.block_on(Server::start(|_, _| Reply::Hang));
    let issuer = countersign_test::TestIssuer::with_system_clock().with_name(&server.url);
    let keys = Arc::new(RemoteKeys::from_url(format!("{}/jwks", server.url)));
    let source: Arc<dyn KeySource> = keys;
    let trusted = NeedsAudience::new(&server.url, source).audience("orders");
    let verifier = Verifier::builder().trust(trusted).clock(Arc::new(issuer.clock().clone())).build().expect("good");
    let token = issuer.token().audience("orders").lifetime(Duration::from_secs(86_400)).sign();
    let serving = {
        // Three runtimes start a fetch and shut down: before it is polled, after one poll, and while the server is silent.
        for polls in [0, 1, 2] {
            let short_lived = runtime();
            short_lived.block_on(async {
                let mut asking = Box::pin(verifier.verify(&token));
                let asked = std::future::poll_fn(|context| std::task::Poll::Ready(asking.as_mut().poll(context)));
                let _ = asked.await;
                for _ in 0..polls {
                    tokio::task::yield_now().await;
                }
            });
            drop(short_lived);
            issuer.clock().advance(Duration::from_secs(120)); // past every back-off
        }
        let jwks = issuer.jwks();
        server.now(move |_, _| ok(&jwks));
        let later = runtime();
        later.block_on(async { verifier.verify(&token).await.map(|_| ()).map_err(|error| error.code()) })
    };
    assert_eq!(serving, Ok(()));
}

/// A runtime whose tasks run in the background.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

#[test]
fn without_a_runtime_the_keys_are_unavailable_and_nothing_panics() {
    let issuer = countersign_test::TestIssuer::new().with_name("http://127.0.0.1:9");
    let clock = Arc::new(issuer.clock().clone());
    let keys = Arc::new(RemoteKeys::from_url("http://127.0.0.1:9/jwks"));
    let source: Arc<dyn KeySource> = keys;
    let trusted = NeedsAudience::new("http://127.0.0.1:9", source).audience("orders");
    let verifier = Verifier::builder().trust(trusted).clock(clock).build().expect("good");
    let token = unknown_key("http://127.0.0.1:9", 1, &issuer);
    let mut asking = Box::pin(verifier.verify(&token));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match asking.as_mut().poll(&mut context) {
        std::task::Poll::Ready(verdict) => assert!(verdict.expect_err("no keys").is_unavailable()),
        std::task::Poll::Pending => panic!("nothing could wake it"),
    }
}

#[tokio::test]
async fn the_refresh_task_ends_with_its_source() {
    let world = World::honest().await;
    assert_eq!(world.verdict(&world.token()).await, "ok");
    let World { verifier, keys, server, issuer, .. } = world;
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    until("the tasks of the connection have ended", || alive() <= 2).await; // the server's listener and the refresh task
    drop((verifier, keys));
    until("the refresh task has ended", || alive() <= 1).await;
    drop((server, issuer));
}
