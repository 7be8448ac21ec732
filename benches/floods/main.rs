//! The share of good requests that are served during a flood, and their price beside that of an equally large harmless load.
//!
//! `cargo bench --manifest-path benches/Cargo.toml --bench floods` prints a table and exits with 1 if a good request is not
//! served. Two good requests follow each request of the flood, in one task, so that all meet the same state. The first finds
//! in the processor's caches whatever the flood left there: a refused request runs other code than a harmless one, so its
//! column compares caches as well. The second shows what the flood does to state that requests share.

mod flood;
mod issuer;
mod service;

use std::process::ExitCode;
use std::time::Duration;

use crate::flood::Flood;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Rounds of the flood and of the harmless load, in turns.
const ROUNDS: usize = 20;

/// Good requests in a round.
const REQUESTS: usize = 1_000;

/// What one load did to the good requests.
#[derive(Clone, Copy, Debug, Default)]
struct Effect {
    sent: usize,
    served: usize,
    took: [Duration; 2],
}

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<bool> {
    println!("{:<52} {:>12} {:>34}", "flood", "served, %", "time over harmless load: 1st, 2nd");
    let mut all_served = true;
    let service = service::Service::start().await?;
    for flood in service.floods() {
        all_served &= report(&flood).await;
    }
    for flood in issuer::TokenService::floods()? {
        all_served &= report(&flood).await;
    }
    Ok(all_served)
}

async fn report(flood: &Flood) -> bool {
    // Keys are fetched and caches fill before anything is measured.
    flood.run(0, false, &mut Effect::default(), flood.requests(REQUESTS)).await;
    let (mut hostile, mut harmless) = (Effect::default(), Effect::default());
    for round in 1..=flood.rounds(ROUNDS) {
        flood.run(round, true, &mut hostile, flood.requests(REQUESTS)).await;
        flood.run(round, false, &mut harmless, flood.requests(REQUESTS)).await;
    }
    let share = 100.0 * hostile.served as f64 / hostile.sent as f64;
    let ratio = |place: usize| hostile.took[place].as_secs_f64() / harmless.took[place].as_secs_f64();
    println!("{:<52} {share:>12.2} {:>26.2}x {:>5.2}x", flood.name, ratio(0), ratio(1));
    hostile.served == hostile.sent && harmless.served == harmless.sent
}
