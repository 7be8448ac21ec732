//! The bench suite. Arguments: names of parts to run (all without), `--quick`, `--write`.

mod answer;
mod api_key;
mod bound;
mod bound_peers;
mod checks;
mod guard;
mod hit;
mod http;
mod issuer;
mod keys;
mod layer;
mod mcp;
mod miss;
mod opaque;
mod outbound;
mod refuse;
mod start;
mod write;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use countersign_benches::allocations::Counting;
use countersign_benches::measure::Plan;
use countersign_benches::report::Report;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A part of the suite.
type Part = (&'static str, fn(&Plan, &mut Report));

const PARTS: &[Part] = &[
    ("keys", keys::run), // first: it reads the process's memory, before others have used and freed some
    ("checks", checks::run),
    ("miss", miss::run),
    ("hit", hit::run),
    ("layer", layer::run),
    ("bound", bound::run),
    ("opaque", opaque::run),
    ("api_key", api_key::run),
    ("guard", guard::run),
    ("refuse", refuse::run),
    ("start", start::run),
    ("http", http::run),
    ("mcp", mcp::run),
    ("outbound", outbound::run),
    ("issuer", issuer::run),
];

fn main() -> ExitCode {
    // Cargo passes `--bench`; the rest is the user's.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let names: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|argument| !argument.starts_with("--")).collect();
    let known = |name: &&str| PARTS.iter().any(|(part, _)| part == name);
    if !names.iter().all(known) || (flag("--write") && !names.is_empty()) {
        let parts: Vec<&str> = PARTS.iter().map(|(part, _)| *part).collect();
        eprintln!("parts are {}; --write takes none, since it writes them all", parts.join(", "));
        return ExitCode::from(2);
    }

    let plan = if flag("--quick") { Plan::QUICK } else { Plan::FULL };
    let mut report = Report::default();
    let mut failed = Vec::new();
    for (name, part) in PARTS.iter().filter(|(name, _)| names.is_empty() || names.contains(name)) {
        if catch_unwind(AssertUnwindSafe(|| part(&plan, &mut report))).is_err() {
            failed.push(*name); // the others still run
        }
    }
    println!("\nGoals\n{}", report.goals().aligned());
    if flag("--write") && failed.is_empty() {
        if let Err(error) = write::all(&report) {
            eprintln!("not written: {error}");
            return ExitCode::FAILURE;
        }
    }
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("failed: {}", failed.join(", "));
    ExitCode::FAILURE
}
