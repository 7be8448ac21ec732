//! A soak: one service under mixed tokens, while its provider rotates keys and is suspended, and clocks are set.
//!
//! `cargo bench --manifest-path benches/Cargo.toml --bench soak -- --seconds 600` prints a table and exits with 1 if a good
//! token was refused, a bad one was accepted, or memory grew. Linux only: it reads `/proc` and sends signals.

mod chaos;
mod clock;
mod counts;
mod provider;
mod service;
mod tokens;
mod traffic;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::SteppedClock;
use crate::counts::Counts;
use crate::tokens::Tokens;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The length without `--seconds`.
const SECONDS: u64 = 600;

/// Tasks that send requests.
const SENDERS: usize = 8;

/// The memory after the first fifth may grow by this factor until the end.
const GROWTH: f64 = 1.25;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [provider::CHILD] => provider::serve().map(|()| true),
        [] => soak(Duration::from_secs(SECONDS)),
        ["--seconds", seconds] => seconds.parse().map_err(Into::into).and_then(|s| soak(Duration::from_secs(s))),
        _ => Err("the only argument is --seconds N".into()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn soak(length: Duration) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let provider = provider::Provider::start()?;
        let clock = SteppedClock::default();
        let counts = Arc::new(Counts::default());
        let service = service::Service::start(&provider.url, clock.clone()).await?;
        let tokens = Arc::new(Tokens::new(&provider, service.revoked.clone()));
        let ends_at = Instant::now() + length;

        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(tokens::refill(Arc::clone(&tokens), ends_at));
        tasks.spawn(chaos::step_clock(clock.clone(), ends_at));
        tasks.spawn(chaos::suspend(provider.id(), ends_at));
        for _ in 0..SENDERS {
            let sender = traffic::Sender::new(&service.url, &tokens, &clock, &counts);
            tasks.spawn(sender.run(ends_at));
        }
        let memory = watch_memory(ends_at, length, &counts).await;
        while let Some(result) = tasks.join_next().await {
            result?;
        }
        let growth = memory.last().copied().unwrap_or_default() / memory.get(1).copied().unwrap_or(f64::MAX);
        println!("\n{}", counts.table());
        println!("memory: {memory:.0?} MiB, {growth:.2} times the value after a fifth (at most {GROWTH})");
        println!("clock steps: {}, tokens issued: {}", clock.steps(), tokens.issued());
        counts.faults().iter().for_each(|fault| eprintln!("FAULT {fault}"));
        Ok(counts.faults().is_empty() && counts.is_complete() && growth <= GROWTH)
    })
}

/// The resident memory in MiB after each fifth.
async fn watch_memory(ends_at: Instant, length: Duration, counts: &Counts) -> Vec<f64> {
    let mut memory = Vec::new();
    for part in (0..5).rev() {
        tokio::time::sleep_until((ends_at - length * part / 5).into()).await;
        memory.push(resident());
        println!("{} s left: {} requests, {:.0} MiB", (length * part / 5).as_secs(), counts.sent(), resident());
    }
    memory
}

fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or_default() / 1024.0
}
