//! The embedded issuer: tokens a second by algorithm and grant, key sets a second, and its slowest answers while it hashes.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use countersign_benches::measure::{Plan, as_nanos};
use countersign_benches::report::{Report, short};
use countersign_core::key::Algorithm;
use countersign_core::mint::Draft;
use countersign_core::secret::Secret;
use countersign_issuer::{Audience, Client, ExchangeRule, Issuer, SecretHash};
use http::{Request, StatusCode};
use tokio::runtime::{Builder, Runtime};
use tower_service::Service;

const EXCHANGE: &str = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&audience=billing\
                        &subject_token_type=urn:ietf:params:oauth:token-type:access_token&subject_token=";

/// An issuer with two clients, and their credentials: one whose secret costs an HMAC, one whose secret costs Argon2id.
struct Bench {
    issuer: Issuer,
    app: Router,
    keyed: String,
    slow: String,
}

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut rows = Vec::new();
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256] {
        let mut bench = Bench::new(algorithm);
        let by_itself = bench.a_second(plan, &runtime, "/token", "grant_type=client_credentials");
        let user = Draft::access_token().subject("ann").audience("orders").client_id("web").scope("read");
        let user = bench.issuer.mint(&user).expect("minted");
        let exchanged = bench.a_second(plan, &runtime, "/token", &format!("{EXCHANGE}{}", user.as_str()));
        rows.push(vec![algorithm.name().to_owned(), short(by_itself), short(exchanged)]);
        if algorithm == Algorithm::ES256 {
            report.at_least("issuer, tokens by ES256, one core", " a second", 5_000.0, by_itself);
        }
    }
    let note = "One core, without network: router, client authentication by a keyed secret, signing. Each \
                exchange uses the same subject token, so it is verified once.";
    report.table("Tokens per second", note, &["", "client credentials", "token exchange"], rows);

    let mut bench = Bench::new(Algorithm::ES256);
    let sets = bench.a_second(plan, &runtime, "/jwks", "");
    report.at_least("issuer, key sets, one core", " a second", 50_000.0, sets);
    under_hashing(plan, report, sets);
}

/// The latency of quick requests while secrets are hashed on all the threads that hashing may take.
fn under_hashing(plan: &Plan, report: &mut Report, sets: f64) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let bench = Bench::new(Algorithm::ES256);
    let mut rows = Vec::new();
    for hashing in [false, true] {
        let (stop, hashed) = (Arc::new(AtomicBool::new(!hashing)), Arc::new(AtomicU64::new(0)));
        let hashers: Vec<_> = (0..4)
            .map(|_| {
                let (mut app, slow) = (bench.app.clone(), bench.slow.clone());
                let (stop, hashed) = (Arc::clone(&stop), Arc::clone(&hashed));
                runtime.spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        let request = request("/token", &slow, "grant_type=client_credentials");
                        if app.call(request).await.is_ok_and(|answer| answer.status() == StatusCode::OK) {
                            hashed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        let (mut app, keyed) = (bench.app.clone(), bench.keyed.clone());
        let span = plan.turn * u32::try_from(plan.rounds).unwrap_or(1) * 10;
        let mut times = runtime.block_on(runtime.spawn(async move {
            let (start, mut times) = (Instant::now(), Vec::new());
            while start.elapsed() < span || times.len() < 1_000 {
                let one = Instant::now();
                let answer = app.call(request("/token", &keyed, "grant_type=client_credentials")).await;
                times.push(as_nanos(one.elapsed()) / 1e6);
                black_box(answer.expect("infallible"));
                tokio::time::sleep(Duration::from_micros(200)).await; // so that it competes for its turn each time
            }
            times
        }));
        stop.store(true, Ordering::Relaxed);
        for hasher in hashers {
            runtime.block_on(hasher).expect("no panic");
        }
        let times = times.as_mut().expect("no panic");
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        let what = if hashing { "four at a time are hashed" } else { "none is hashed" };
        rows.push(vec![what.into(), short(at(0.5)), short(at(0.99)), hashed.load(Ordering::Relaxed).to_string()]);
    }
    let note =
        format!("Two threads, requests of a client whose secret costs one HMAC. Key sets per second: {}.", short(sets));
    report.table(
        "Tokens while other secrets are hashed",
        &note,
        &["secrets", "median ms", "p99 ms", "hashed meanwhile"],
        rows,
    );
}

impl Bench {
    fn new(algorithm: Algorithm) -> Self {
        let pepper = Secret::new(b"a pepper of at least 32 bytes, for benches".to_vec());
        let (keyed, stored) = SecretHash::generate_keyed(&pepper).expect("a secret");
        let (slow, slowly_stored) = SecretHash::generate().expect("a secret");
        let client = |id: &str, stored| Client::new(id).secret(stored).audiences(["billing"]).scopes(["read"]);
        let issuer = Issuer::builder("https://sts.example.com")
            .algorithm(algorithm)
            .add_audience(Audience::new("billing").scopes(["read"]))
            .add_audience(Audience::new("orders").scopes(["read"]))
            .add_client(client("orders", stored).add_exchange_rule(ExchangeRule::new(["billing"])))
            .add_client(client("slow", slowly_stored))
            .pepper(pepper)
            .secret_cache_lifetime(Duration::ZERO)
            .build()
            .expect("a sound configuration");
        let basic = |id: &str, secret: &Secret<String>| {
            format!("Basic {}", base64_simd::STANDARD.encode_to_string(format!("{id}:{}", secret.expose())))
        };
        Bench { app: issuer.router(), issuer, keyed: basic("orders", &keyed), slow: basic("slow", &slow) }
    }

    /// How many such requests one thread answers in a second; the best of the rounds.
    fn a_second(&mut self, plan: &Plan, runtime: &Runtime, path: &str, form: &str) -> f64 {
        let rounds = (0..plan.rounds).map(|_| {
            runtime.block_on(async {
                let (start, mut count) = (Instant::now(), 0_u32);
                while start.elapsed() < plan.turn * 4 {
                    let answer = self.app.call(request(path, &self.keyed, form)).await.expect("infallible");
                    assert_eq!(answer.status(), StatusCode::OK);
                    black_box(answer);
                    count += 1;
                }
                f64::from(count) / start.elapsed().as_secs_f64()
            })
        });
        rounds.fold(0.0, f64::max)
    }
}

fn request(path: &str, credentials: &str, form: &str) -> Request<Body> {
    let request = if path == "/jwks" { Request::get(path) } else { Request::post(path) };
    request
        .header("authorization", credentials)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .expect("a request")
}
