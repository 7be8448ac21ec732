//! A third-party provider: discovery, rotation under load, stop and start.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use countersign::health::Health;
use countersign::key::KeyHealth;
use countersign::verify::Verifier;
use countersign_tests::peers::OpenIdProvider;

const AUDIENCE: &str = "https://orders.test";

/// Requests an access token from the provider, as a service does.
async fn token(http: &reqwest::Client, issuer: &str, secret: &str) -> String {
    let form = [("grant_type", "client_credentials"), ("resource", AUDIENCE), ("scope", "orders:read")];
    let request = http.post(format!("{issuer}/token")).basic_auth("svc-basic", Some(secret.replace(' ', "+")));
    let answer = request.form(&form).send().await.expect("an answer").text().await.expect("text");
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
}

fn verifier(issuer: &str) -> Verifier {
    Verifier::new(countersign::issuers::oidc(issuer).audience(AUDIENCE)).expect("a good policy")
}

async fn control(provider: &Arc<OpenIdProvider>, what: &'static str) -> serde_json::Value {
    let provider = Arc::clone(provider);
    tokio::task::spawn_blocking(move || provider.control(what)).await.expect("it answers")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_node), ignore = "needs Node.js: tests/peers/install")]
async fn s4_31_fifty_rotations_of_a_real_provider_fail_no_request() {
    let provider = OpenIdProvider::start("ES256,RS256");
    let provider = Arc::new(provider);
    let issuer = provider.issuer().to_owned();
    let http = reqwest::Client::new();
    let verifier = verifier(&issuer);
    let health = Health::new(&verifier);
    health.ready_within(Duration::from_secs(20)).await.expect("an eager start"); // so that no request waits for the first keys
    assert_eq!(health.report(), [(issuer.clone(), KeyHealth::Ready)]);
    let current = Arc::new(std::sync::Mutex::new(token(&http, &issuer, provider.client_secret()).await));
    let (stop, served, failed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), Arc::default());
    let flow = {
        let (verifier, current, stop, served) = (verifier.clone(), current.clone(), stop.clone(), served.clone());
        let failed: Arc<std::sync::Mutex<Vec<String>>> = Arc::clone(&failed);
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let token = current.lock().expect("not poisoned").clone();
                match verifier.verify(&token).await {
                    Ok(_) => served.fetch_add(1, Ordering::Relaxed),
                    Err(error) => {
                        failed.lock().expect("not poisoned").push(error.to_string());
                        0
                    }
                };
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
    };
    for _ in 0..50 {
        control(&provider, "rotate").await;
        let fresh = token(&http, &issuer, provider.client_secret()).await;
        // Issuers publish keys before they sign. This one signs at once, so the first token causes the fetch.
        tokio::time::sleep(Duration::from_millis(1050)).await; // the cool-down of a fetch just before
        let before = served.load(Ordering::Relaxed);
        *current.lock().expect("not poisoned") = fresh;
        while served.load(Ordering::Relaxed) < before + 5 && failed.lock().expect("not poisoned").is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        control(&provider, "retire").await;
    }
    stop.store(true, Ordering::Relaxed);
    flow.await.expect("no panic");
    let counts = control(&provider, "counts").await;
    let (fetches, documents) = (counts["/jwks"].as_u64(), counts["/.well-known/openid-configuration"].as_u64());
    let failed = failed.lock().expect("not poisoned").clone();
    println!(
        "50 rotations: {} requests, {} failed, {fetches:?} key fetches, {documents:?} discoveries",
        served.load(Ordering::Relaxed),
        failed.len()
    );
    println!("as the source counts: {:?}", health.stats());
    assert_eq!(failed, Vec::<String>::new());
    let stats = health.stats()[0].1;
    assert_eq!((Some(stats.fetched), stats.failed), (fetches, 0), "every fetch is counted");
    assert!(fetches.is_some_and(|fetches| fetches <= 1 + 50), "{fetches:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_node), ignore = "needs Node.js: tests/peers/install")]
async fn s4_20_s4_21_a_real_provider_stops_and_starts() {
    let provider = OpenIdProvider::start("RS256");
    let (issuer, port) = (provider.issuer().to_owned(), provider.port());
    let http = reqwest::Client::new();
    let warm = verifier(&issuer);
    let old = token(&http, &issuer, provider.client_secret()).await;
    assert_eq!(warm.verify(&old).await.expect("verified").subject(), "svc-basic");
    drop(provider);

    let cold = verifier(&issuer);
    let not_ready = Health::new(&cold).ready_within(Duration::from_millis(300)).await.expect_err("down");
    assert_eq!(not_ready.waiting_for[0].0, issuer, "the deadline of an eager start: {not_ready}");
    assert!(cold.verify(&old).await.expect_err("down").is_unavailable());
    assert!(warm.verify(&old).await.is_ok(), "known keys stay in use");

    let provider = OpenIdProvider::start_at("RS256", port);
    let provider = Arc::new(provider);
    control(&provider, "rotate").await; // it restarted with another key of the same kid; the next one has its own kid
    let new = token(&http, &issuer, provider.client_secret()).await;
    let began = std::time::Instant::now();
    for verifier in [&cold, &warm] {
        loop {
            match verifier.verify(&new).await {
                Ok(_) => break,
                Err(error) => assert!(began.elapsed() < Duration::from_secs(20), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    println!("both verifiers knew the new keys {} ms after the start", began.elapsed().as_millis());
}

/// What requests under load were answered, by code.
type Codes = std::collections::BTreeMap<&'static str, usize>;

/// Verifies the provider's current token without pause in four tasks while `changes` runs, under the default policy.
async fn load(
    changes: impl AsyncFnOnce(Arc<OpenIdProvider>, Verifier, Arc<std::sync::Mutex<String>>, reqwest::Client),
) -> Codes {
    let provider = Arc::new(OpenIdProvider::start("ES256,RS256"));
    let (issuer, http) = (provider.issuer().to_owned(), reqwest::Client::new());
    let verifier = Verifier::new(countersign::issuers::oidc(&issuer).audience(AUDIENCE)).expect("a good policy");
    Health::new(&verifier).ready_within(Duration::from_secs(20)).await.expect("an eager start");
    let current = Arc::new(std::sync::Mutex::new(token(&http, &issuer, provider.client_secret()).await));
    let stop = Arc::new(AtomicBool::new(false));
    let flows: Vec<_> = (0..4)
        .map(|_| {
            let (verifier, current, stop) = (verifier.clone(), current.clone(), stop.clone());
            tokio::spawn(async move {
                let mut codes = Codes::new();
                while !stop.load(Ordering::Relaxed) {
                    let token = current.lock().expect("not poisoned").clone();
                    let code = verifier.verify(&token).await.map_or_else(|error| error.code(), |_| "ok");
                    *codes.entry(code).or_default() += 1;
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                codes
            })
        })
        .collect();
    changes(Arc::clone(&provider), verifier, current, http).await;
    stop.store(true, Ordering::Relaxed);
    let mut sum = Codes::new();
    for flow in flows {
        for (code, count) in flow.await.expect("no panic") {
            *sum.entry(code).or_default() += count;
        }
    }
    sum
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_node), ignore = "needs Node.js: tests/peers/install")]
async fn s4_15_rotations_of_a_real_provider_every_two_seconds_refuse_nobody() {
    let codes = load(async |provider, _, current, http| {
        for _ in 0..10 {
            control(&provider, "rotate").await;
            let fresh = token(&http, provider.issuer(), provider.client_secret()).await;
            *current.lock().expect("not poisoned") = fresh;
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    })
    .await;
    println!("a rotation every 2 s: {codes:?}");
    let (all, unavailable) = (codes.values().sum::<usize>(), codes.get("keys_unavailable").copied().unwrap_or(0));
    assert!(codes.keys().all(|code| ["ok", "keys_unavailable"].contains(code)), "nobody is told 401: {codes:?}");
    assert!(unavailable * 100 < all, "under one in a hundred: {codes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_node), ignore = "needs Node.js: tests/peers/install")]
async fn s4_15_an_invented_kid_before_each_rotation_of_a_real_provider_refuses_nobody() {
    let codes = load(async |provider, verifier, current, http| {
        for _ in 0..3 {
            let other = countersign_test::TestIssuer::with_system_clock().with_name(provider.issuer());
            let invented = other.token().audience(AUDIENCE).header("kid", "invented").sign();
            assert!(
                ["unknown_key", "keys_unavailable"]
                    .contains(&verifier.verify(&invented).await.expect_err("invented").code())
            );
            control(&provider, "rotate").await;
            let fresh = token(&http, provider.issuer(), provider.client_secret()).await;
            *current.lock().expect("not poisoned") = fresh;
            tokio::time::sleep(Duration::from_secs(11)).await;
        }
    })
    .await;
    println!("a rotation every 11 s, an invented kid before each: {codes:?}");
    let (all, unavailable) = (codes.values().sum::<usize>(), codes.get("keys_unavailable").copied().unwrap_or(0));
    assert!(unavailable * 100 < all, "under one in a hundred: {codes:?}");
    assert!(codes.keys().all(|code| ["ok", "keys_unavailable"].contains(code)), "nobody is told 401: {codes:?}");
}
