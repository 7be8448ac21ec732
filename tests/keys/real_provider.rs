//! A third-party provider: discovery, rotation under load, stop and start.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use countersign::health::Health;
use countersign::key::KeyHealth;
use countersign::keys::{RefreshPolicy, RemoteKeys};
use countersign::policy::NeedsAudience;
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
    // A cool-down of one second, to keep fifty rotations short.
    let policy = RefreshPolicy::default().cool_down(Duration::from_secs(1));
    let keys = RemoteKeys::from_issuer(issuer).refresh_policy(policy);
    Verifier::new(NeedsAudience::new(issuer, Arc::new(keys)).audience(AUDIENCE)).expect("a good policy")
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
