//! Compares what our code costs, counted in instructions and allocations, with the checked-in `baseline.json`.
//!
//! A count does not depend on how busy the machine is, so CI can hold it to 2 %, and short paths to 25
//! instructions; repeated runs differ by less than 0.5 %.

mod callgrind;
mod cases;

use std::process::ExitCode;

use countersign_benches::allocations::{self, Counting};
use countersign_benches::baseline::{self, Baseline, Counts, Verdict};

use crate::cases::Case;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Calls in one measured loop. A power of two, so that allocations per call are exact.
const CALLS: u32 = 256;

const WRITE: &str = "--write";

fn main() -> ExitCode {
    // Cargo passes `--bench`; the rest is the user's.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let is_done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => check(),
        [WRITE] => count(true).and_then(|counts| Baseline::write(&counts)).map(|()| true),
        [callgrind::CHILD] => {
            cases::all().iter_mut().for_each(|case| drop(run_loops(case)));
            Ok(true)
        }
        _ => Err(format!("the only argument is {WRITE}")),
    };
    match is_done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether no count is worse than the baseline.
fn check() -> Result<bool, String> {
    let baseline = Baseline::read()?;
    let counts = count(false)?;
    let verdict = baseline.compare(&counts);
    println!("{}", verdict.table);
    print_shares(&counts);
    report(&baseline, &verdict);
    Ok(verdict.worse.is_empty())
}

/// Prints what our part of a new token costs as a share of the peer's, in instructions outside aws-lc.
fn print_shares(counts: &[(String, Counts)]) {
    let of = |name: &str| counts.iter().find(|(case, _)| case == name).and_then(|(_, counts)| counts.instructions);
    for (ours, peer) in cases::shares() {
        if let Some((own, others)) = of(&ours).zip(of(&peer)) {
            println!("{ours}: {:.1} % of the instructions of jsonwebtoken 12", 100.0 * own / others);
        }
    }
}

fn report(baseline: &Baseline, verdict: &Verdict) {
    if !verdict.better.is_empty() {
        println!("better than the baseline: {}", verdict.better.join("; "));
        println!("To hold future changes to this, write the baseline again: benches/check/run {WRITE}");
    }
    if verdict.worse.is_empty() {
        return;
    }
    eprintln!("worse than the baseline: {}", verdict.worse.join("; "));
    eprintln!("Find what was added to these paths, and remove it. If it is worth its price, write the baseline again:");
    eprintln!("benches/check/run {WRITE}, commit benches/baseline.json, and give the reason in the commit.");
    let compiler = baseline::compiler();
    if compiler != baseline.compiler {
        eprintln!("The compiler may be the cause: the baseline is from {}, this is {compiler}.", baseline.compiler);
    }
}

/// What one call of each case costs; without instructions if they cannot be counted here and `needs_all` is false.
fn count(needs_all: bool) -> Result<Vec<(String, Counts)>, String> {
    let mut cases = cases::all();
    let allocations: Vec<Vec<u64>> = cases.iter_mut().map(run_loops).collect();
    let instructions = match callgrind::obstacle() {
        None => Some(callgrind::run(&allocations.iter().map(Vec::len).collect::<Vec<_>>())?),
        Some(obstacle) if needs_all || obstacle.fails_in_ci() => return Err(obstacle.to_string()),
        Some(obstacle) => {
            println!("{obstacle}: instructions are skipped, only allocations are compared");
            None
        }
    };
    let counts = cases.into_iter().enumerate().map(|(at, case)| {
        let instructions = instructions.as_ref().map(|loops| per_call(&loops[at]).round());
        // In tenths: once in hundreds of calls a thread gets a token of its own.
        let allocations = (per_call(&allocations[at]) * 10.0).round() / 10.0;
        (case.name, Counts { instructions, allocations })
    });
    Ok(counts.collect())
}

/// The first loop's count less the second's, if there is one.
fn per_call(loops: &[u64]) -> f64 {
    let less = loops.get(1).copied().unwrap_or(0);
    (loops[0] as f64 - less as f64) / f64::from(CALLS)
}

/// The allocations of each loop of `case`.
fn run_loops(case: &mut Case) -> Vec<u64> {
    let mut found = Vec::new();
    case.each_loop(&mut |once| {
        (0..CALLS).for_each(|_| once()); // caches fill, lazy values are made
        let before = allocations::calls();
        callgrind::counted(once, CALLS);
        found.push(allocations::calls() - before);
    });
    found
}
