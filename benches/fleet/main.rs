//! Many verifiers under one policy: how soon a revision and a revocation are in force everywhere, and what they cost.
//!
//!     cargo bench --manifest-path benches/Cargo.toml --no-default-features --bench fleet [-- --verifiers N] [--identifiers N] [--quick] [--write]
//!
//! Each verifier is what one instance of a service has: a bundle that it pulls, a list of revocations that a follower of Redis
//! fills, a status list, and reports to a plane. They share a few processes, which this program starts of itself, and have
//! their own connections. The host of documents and the receiver of reports are threads of this process, and the publisher of
//! revocations reads a durable list in it. All talk over loopback, with a real `redis-server`.
//!
//! `--write` writes the results into `BENCHMARKS.md`. `--quick` takes fewer revocations, a shorter outage and no part of a
//! minute. `--hit` measures only what checks add to a cached token, and `--outage` only the loss of Redis, with the largest fleet.

mod bad;
mod durable;
mod fleet;
mod growth;
mod hit;
mod host;
mod member;
mod memory;
mod outage;
mod plane;
mod redis;
mod times;
mod usage;
mod verifiers;
mod world;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use countersign_benches::allocations::Counting;
use countersign_benches::report::{FLEET_HEADING, Report, without_fleet};

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How much to measure.
pub(crate) struct Plan {
    /// Batches of each way to check a cached token.
    pub(crate) batches: usize,
    /// The sizes of the fleet; the last one is that of the goals.
    pub(crate) sizes: Vec<usize>,
    /// The revoked identifiers in force meanwhile.
    pub(crate) identifiers: usize,
    /// Revisions and revocations that are published in turn.
    pub(crate) rounds: usize,
    /// The time without Redis.
    pub(crate) outage: Duration,
    /// Whether revisions are also awaited with the default interval of a minute.
    pub(crate) waits_a_minute: bool,
}

impl Plan {
    fn full() -> Self {
        Plan {
            batches: 100_000,
            sizes: vec![10, 100, 1_000],
            identifiers: 100_000,
            rounds: 5,
            outage: Duration::from_secs(60),
            waits_a_minute: true,
        }
    }

    fn quick() -> Self {
        Plan {
            batches: 20_000,
            sizes: vec![10, 100],
            identifiers: 5_000,
            rounds: 2,
            outage: Duration::from_secs(15),
            waits_a_minute: false,
        }
    }
}

fn main() -> ExitCode {
    // Cargo passes `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    if arguments.first().is_some_and(|argument| argument == verifiers::VERIFIERS) {
        return verifiers::run();
    }
    let is_quick = arguments.iter().any(|argument| argument == "--quick");
    let mut plan = if is_quick { Plan::quick() } else { Plan::full() };
    let (mut only_hit, mut only_outage, mut writes) = (false, false, false);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => {}
            "--hit" => only_hit = true,
            "--write" => writes = true,
            "--identifiers" => {
                plan.identifiers = arguments.next().ok_or("--identifiers: name a number")?.parse()?;
            }
            "--outage" => only_outage = true,
            "--verifiers" => {
                let size: usize = arguments.next().ok_or("--verifiers: name a number")?.parse()?;
                plan.sizes.retain(|other| *other < size);
                plan.sizes.push(size.max(1));
            }
            other => {
                let known = "--verifiers N, --identifiers N, --quick, --hit, --outage and --write";
                return Err(format!("{other} is none of {known}").into());
            }
        }
    }
    let mut report = Report::default();
    if only_outage {
        growth::run_outage(&plan, &mut report)?;
    } else {
        hit::run(&plan, &mut report)?;
    }
    if !only_hit && !only_outage {
        memory::run(&mut report)?;
        growth::run(&plan, &mut report)?;
    }
    println!("\nGoals\n{}", report.goals().aligned());
    if writes { write(&report) } else { Ok(()) }
}

/// Writes the last part of `BENCHMARKS.md`.
fn write(report: &Report) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../BENCHMARKS.md");
    let before = std::fs::read_to_string(&path)?;
    let (of_suite, _) = without_fleet(&before);
    let text = format!(
        "{}\n\n{FLEET_HEADING}\n\nEach verifier pulls a bundle, follows revocations in Redis, fetches a status list and reports to a \
         plane, all over loopback. Four processes have all verifiers. The plane is a receiver that answers as \
         `countersign plane` does and keeps less. Written by\n\n\
         ```text\ncargo bench --manifest-path benches/Cargo.toml --no-default-features --bench fleet -- --write\n```\n\n\
         ### Goals of a fleet\n\n{}\n{}",
        of_suite.trim_end(),
        report.goals().markdown(),
        report.markdown().replace("## ", "### "),
    );
    Ok(std::fs::write(path, text.trim_end().to_owned() + "\n")?)
}
