//! Step 6: a rotation while requests are in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::calls::{ANN, READS};
use super::report::Report;
use crate::Result;
use crate::mesh::Mesh;

/// How many requests are sent, and how many at the same time.
const REQUESTS: u32 = 500;
const AT_ONCE: usize = 64;

/// After how many responses the issuer rotates its key.
const ROTATE_AFTER: u32 = 150;

pub async fn under_load(report: &mut Report, mesh: &Mesh) -> Result<()> {
    report.step(6, "the issuer rotates its key while 500 requests are in flight");
    let fetched_before = mesh.tokens.key_fetches();
    let http = reqwest::Client::new();
    let (answered, failed) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut requests = JoinSet::new();
    let (mut by_old_key, mut by_new_key, mut rotated) = (0, 0, false);
    for number in 0..REQUESTS {
        let permit = Arc::clone(&permits).acquire_owned().await?;
        if !rotated && answered.load(Ordering::SeqCst) >= ROTATE_AFTER {
            mesh.tokens.rotate().await?; // about 64 requests with tokens of the old key are in flight
            rotated = true;
        }
        if rotated {
            by_new_key += 1
        } else {
            by_old_key += 1
        }
        let (url, audience) = match number % 2 {
            0 => (format!("{}/plan", mesh.orders.url), "orders"),
            _ => (format!("{}/stock/bolts", mesh.inventory.url), "inventory"),
        };
        let token = mesh.tokens.for_person(&ANN, audience, READS).await?;
        let (http, answered, failed) = (http.clone(), Arc::clone(&answered), Arc::clone(&failed));
        requests.spawn(async move {
            let answer = http.get(url).bearer_auth(token).send().await;
            if !answer.is_ok_and(|answer| answer.status().is_success()) {
                failed.fetch_add(1, Ordering::SeqCst);
            }
            answered.fetch_add(1, Ordering::SeqCst);
            drop(permit);
        });
    }
    while requests.join_next().await.is_some() {}
    let failed = failed.load(Ordering::SeqCst);
    let line = format!("{by_old_key} tokens of the old key, {by_new_key} of the new key: {failed} failed");
    report.check(&line, failed == 0 && by_old_key > 0 && by_new_key > 0);
    if let (Some(before), Some(after)) = (fetched_before, mesh.tokens.key_fetches()) {
        let fetches = after - before;
        let line = format!("{fetches} fetches of the key set, by two services that met the new key");
        report.check(&line, (1..=2).contains(&fetches));
    }
    Ok(())
}
