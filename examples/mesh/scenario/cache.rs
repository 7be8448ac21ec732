//! Step 8: one token, sent many times.

use std::time::{Duration, Instant};

use countersign::prelude::*;
use tokio::task::JoinSet;

use super::calls::{ANN, READS};
use super::report::Report;
use crate::Result;
use crate::mesh::Mesh;

/// How often the token is sent, and over how many connections.
const TIMES: u32 = 10_000;
const CONNECTIONS: u32 = 8;

/// How often the token is verified without a cache, for comparison.
const UNCACHED: usize = 1_000;

pub async fn ten_thousand_times(report: &mut Report, mesh: &Mesh) -> Result<()> {
    report.step(8, "the same token 10,000 times");
    let token = mesh.tokens.for_person(&ANN, "inventory", READS).await?;
    let before = mesh.inventory_verifier.stats();
    let started = Instant::now();
    let http = reqwest::Client::new();
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (http, token, url) = (http.clone(), token.clone(), format!("{}/stock/bolts", mesh.inventory.url));
        connections.spawn(async move {
            let mut good = 0;
            for _ in 0..TIMES / CONNECTIONS {
                let answer = http.get(&url).bearer_auth(&token).send().await;
                good += u32::from(answer.is_ok_and(|answer| answer.status().is_success()));
            }
            good
        });
    }
    let good: u32 = connections.join_all().await.into_iter().sum();
    let took = started.elapsed();
    let after = mesh.inventory_verifier.stats();
    let (verified, cached) = (after.verified - before.verified, after.from_cache - before.from_cache);
    report.check(&format!("{good} of {TIMES} served over HTTP in {:.1} s", took.as_secs_f64()), good == TIMES);
    // Requests that arrive before the first verification is done are each verified.
    let line = format!("{verified} verified, {cached} from the cache");
    report.check(&line, verified + cached == u64::from(TIMES) && (1..=u64::from(CONNECTIONS)).contains(&verified));

    let uncached = Verifier::builder().trust(mesh.tokens.trusted("inventory")).cache_bytes(0).build()?;
    uncached.verify(&token).await?; // fetches the keys
    let mut full = time(&uncached, &token, UNCACHED).await?;
    let mut cached_times = time(&mesh.inventory_verifier, &token, TIMES as usize).await?;
    let (full, seen) = (median(&mut full), median(&mut cached_times));
    let line = format!("median verification {full:?}, of a cached token {seen:?} (unoptimized build)");
    report.check(&line, seen < full);
    Ok(())
}

async fn time(verifier: &Verifier, token: &str, times: usize) -> Result<Vec<Duration>> {
    let mut spent = Vec::with_capacity(times);
    for _ in 0..times {
        let started = Instant::now();
        verifier.verify(token).await?;
        spent.push(started.elapsed());
    }
    Ok(spent)
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
