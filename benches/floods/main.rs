//! The share of good requests that are served during a flood, and their time beside that of an equally large harmless load.
//!
//! `cargo bench --manifest-path benches/Cargo.toml --bench floods` prints a table and exits with 1 if a good request is not
//! served. All requests share one router. The columns with times are ratios, the flood over the harmless load:
//!
//! - *1st*, *2nd*: medians of two good requests after each request of the load, in one task. The first finds in the
//!   processor's caches what the load left there. The second shows what the load does to state that requests share.
//! - *beside*: the mean without its slowest hundredth, of good requests that run while the load goes on in other tasks, at the
//!   same rate whether hostile or harmless.
//!
//! A harmless load must do what the flood does, or its times show something else. An invented client costs an Argon2id check,
//! which pushes everything else out of the caches, and a refusal. So the harmless clients of the issuer present right secrets
//! for the first time, which costs a check too, and ask for a scope that does not exist. If they were granted tokens, the
//! code that signs would be in the caches again, and the good request after an invented client would take 2.0 times (1st)
//! and 1.2 times (2nd) as long as after them. After a registered client with a wrong secret, or with a right one that is
//! refused, it takes as long as after an invented one: nothing of it depends on who asked.

mod effect;
mod flood;
mod issuer;
mod service;

use std::process::ExitCode;

use crate::effect::Effect;
use crate::flood::Flood;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

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
    println!("{:<52} {:>10} {:>8} {:>8} {:>8}", "flood", "served, %", "1st", "2nd", "beside");
    let mut are_all_served = true;
    let service = service::Service::start().await?;
    for flood in service.floods() {
        are_all_served &= report(&flood).await;
    }
    for flood in issuer::TokenService::floods()? {
        are_all_served &= report(&flood).await;
    }
    Ok(are_all_served)
}

async fn report(flood: &Flood) -> bool {
    // Keys are fetched and caches fill before anything is measured.
    flood.run_after(false, &mut Effect::default()).await;
    let (mut hostile, mut harmless) = (Effect::default(), Effect::default());
    for _ in 0..flood.size.rounds {
        for (is_hostile, effect) in [(true, &mut hostile), (false, &mut harmless)] {
            flood.run_after(is_hostile, effect).await;
            flood.run_beside(is_hostile, effect).await;
        }
    }
    let first = hostile.first.median() / harmless.first.median();
    let second = hostile.second.median() / harmless.second.median();
    let beside = hostile.beside.mean() / harmless.beside.mean();
    println!("{:<52} {:>10.2} {first:>7.2}x {second:>7.2}x {beside:>7.2}x", flood.name, hostile.share());
    hostile.are_all_served() && harmless.are_all_served()
}
