//! A service that starts without keys while requests come in.

use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::issuers::oidc;
use countersign_benches::measure::{Plan, median};
use countersign_benches::report::{Report, short};
use countersign_benches::sample::{self, AUDIENCE};
use countersign_core::key::Algorithm;
use countersign_core::verify::Verifier;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The time that the provider takes for each answer.
const ANSWER: Duration = Duration::from_millis(50);

/// The most that the first good answer may take longer than discovery and keys, in milliseconds.
const LONGER: f64 = 20.0;

/// The requests, one a millisecond.
const REQUESTS: u64 = 500;

/// The first good answer, and the requests that failed.
struct Start {
    first: Duration,
    failed: usize,
}

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let starts: Vec<Start> = (0..plan.rounds.div_ceil(4)).map(|_| runtime.block_on(start())).collect();
    let first = median(starts.iter().map(|start| start.first.as_secs_f64() * 1e3).collect());
    let failed: usize = starts.iter().map(|start| start.failed).sum();
    let answers = ANSWER.as_secs_f64() * 2e3;
    report.at_most("cold start, first good answer after discovery and keys", " ms", LONGER, first - answers);
    report.at_most("cold start, requests that failed", "", 0.0, failed as f64);
    let note = "A service with no keys gets 1,000 requests a second over new connections from its start. Its provider takes 50 ms for \
                discovery and 50 ms for the keys. Medians of starts.";
    let rows = vec![vec![starts.len().to_string(), short(first), failed.to_string()]];
    report.table("A cold start under load", note, &["starts", "first good answer, ms", "failed"], rows);
}

async fn start() -> Start {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let issuer = format!("http://{}", listener.local_addr().expect("an address"));
    let signer = sample::signer(Algorithm::ES256);
    let discovery = serde_json::json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/jwks") }).to_string();
    let late = |text: String| {
        get(async move || {
            tokio::time::sleep(ANSWER).await;
            ([("content-type", "application/json")], text)
        })
    };
    let provider = Router::new()
        .route("/.well-known/openid-configuration", late(discovery))
        .route("/jwks", late(sample::jwks(&signer).expect("a public key")));
    let provider = tokio::spawn(async move { axum::serve(listener, provider).await });

    let token = sample::token(&signer, &issuer, 1);
    let verifier = Verifier::new(oidc(&issuer).audience(AUDIENCE)).expect("a verifier");
    let service = Router::new().route("/orders", get(async || ())).layer(AuthenticateLayer::new(verifier));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let service = tokio::spawn(async move { axum::serve(listener, service).await });

    let request = format!(
        "GET /orders HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    let began = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    let mut sent = JoinSet::new();
    for _ in 0..REQUESTS {
        ticks.tick().await;
        let request = request.clone();
        sent.spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            std::io::Result::Ok(answer.starts_with(b"HTTP/1.1 200 ").then(|| began.elapsed()))
        });
    }
    let answers = sent.join_all().await;
    let good: Vec<Duration> = answers.into_iter().filter_map(|answer| answer.ok().flatten()).collect();
    provider.abort();
    service.abort();
    Start { first: good.iter().min().copied().unwrap_or(Duration::MAX), failed: REQUESTS as usize - good.len() }
}
