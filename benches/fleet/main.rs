//! Many verifiers under one policy: how soon a revision and a revocation are in force everywhere, and what they cost.
//!
//!     cargo bench --manifest-path benches/Cargo.toml --no-default-features --features fleet --bench fleet [-- PART...]
//!         [--verifiers N,N] [--identifiers N] [--outage SECONDS] [--quick] [--write]
//!
//! Each verifier is what one instance of a service has: a bundle that it pulls, a list of revocations that a follower of Redis
//! fills, a status list, and reports to a plane. They share a few processes, which this program starts of itself, and have
//! their own connections. The plane is `countersign plane`, and `countersign fleet status` tells what it knows. The host of
//! documents is a thread of this process, and the publisher of revocations reads a durable list in it. All talk over loopback,
//! with a real `redis-server`.
//!
//! Parts are `hit`, `memory`, `growth`, `outage`, `bad` and `interval`; all, if none is named. `--write` writes the results into
//! `BENCHMARKS.md`; parts and sizes that were not measured keep what `benches/fleet.json` has of them. `--quick` takes fewer
//! revocations, a shorter outage and no part of a minute.

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
mod write;

use std::process::ExitCode;
use std::time::Duration;

use countersign_benches::allocations::Counting;
use countersign_benches::report::Report;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// What checks add to a cached token.
    Hit,
    Memory,
    /// Revisions and revocations in fleets of each size.
    Growth,
    /// Redis is away, for the largest fleet.
    Outage,
    /// Bundles that nobody may take, for the largest fleet.
    Bad,
    /// The default interval between pulls, for the largest fleet.
    Interval,
}

const PARTS: [(&str, Part); 6] = [
    ("hit", Part::Hit),
    ("memory", Part::Memory),
    ("growth", Part::Growth),
    ("outage", Part::Outage),
    ("bad", Part::Bad),
    ("interval", Part::Interval),
];

/// How much to measure.
pub(crate) struct Plan {
    /// All if there are none.
    pub(crate) parts: Vec<Part>,
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
            parts: Vec::new(),
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
            parts: Vec::new(),
            batches: 20_000,
            sizes: vec![10, 100],
            identifiers: 5_000,
            rounds: 2,
            outage: Duration::from_secs(15),
            waits_a_minute: false,
        }
    }
}

impl Plan {
    pub(crate) fn has(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }
}

fn main() -> ExitCode {
    // Cargo passes `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.first().is_some_and(|argument| argument == plane::COMMAND) {
        return countersign_cli::run(["countersign".to_owned()].into_iter().chain(arguments.into_iter().skip(1)));
    }
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
    let mut writes = false;
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument}: name a number"));
        match argument.as_str() {
            "--quick" => {}
            "--write" => writes = true,
            "--verifiers" => {
                let size = |size: &str| -> Result<usize> { Ok(size.parse::<usize>()?.max(1)) };
                plan.sizes = value()?.split(',').map(size).collect::<Result<_>>()?;
                plan.sizes.sort_unstable();
            }
            "--identifiers" => plan.identifiers = value()?.parse()?,
            "--outage" => plan.outage = Duration::from_secs(value()?.parse()?),
            name => match PARTS.iter().find(|(part, _)| *part == name) {
                Some((_, part)) => plan.parts.push(*part),
                None => {
                    let parts = PARTS.map(|(name, _)| name).join(", ");
                    let options = "--verifiers N,N, --identifiers N, --outage SECONDS, --quick, --write";
                    return Err(
                        format!("{name} is no part and no option; parts are {parts}; options are {options}").into()
                    );
                }
            },
        }
    }
    let mut report = Report::default();
    if plan.has(Part::Hit) {
        hit::run(&plan, &mut report)?;
    }
    if plan.has(Part::Memory) {
        memory::run(&mut report)?;
    }
    growth::run(&plan, &mut report)?;
    println!("\nGoals\n{}", report.goals().aligned());
    if writes { write::all(report) } else { Ok(()) }
}
