//! Load for servers that run in a process of their own, and what the benches with such servers have in common.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::report::Report;

pub mod latency;
pub mod load;
pub mod processes;
pub mod server;

/// Whatever goes wrong ends the bench.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The turns of each contender.
    pub rounds: usize,
    /// The time of one turn.
    pub turn: std::time::Duration,
}

impl Plan {
    /// For figures that are written down.
    pub const FULL: Plan = Plan { rounds: 11, turn: std::time::Duration::from_secs(2) };
    /// For a look while working.
    pub const QUICK: Plan = Plan { rounds: 3, turn: std::time::Duration::from_secs(1) };
}

/// The main function of a bench with servers: serves, or measures and prints the goals. `measure` gets a folder of its own.
#[must_use]
pub fn run(serve: fn() -> Result<()>, measure: fn(&Plan, &Path, &mut Report) -> Result<()>) -> ExitCode {
    // Cargo passes `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [server::SERVE] => serve(),
        [] => measured(&Plan::FULL, measure),
        ["--quick"] => measured(&Plan::QUICK, measure),
        _ => Err("the only argument is --quick".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measured(plan: &Plan, measure: fn(&Plan, &Path, &mut Report) -> Result<()>) -> Result<()> {
    if !load::is_installed() {
        return Err("h2load is missing; install it (Debian: apt-get install nghttp2-client)".into());
    }
    if processes::can_pin() {
        // The requests at a fixed rate come from this process.
        Command::new("taskset").args(["-cp", "1", &std::process::id().to_string()]).output()?;
    } else {
        println!("The servers and the load share the processors: there is only one, or no taskset.");
    }
    let folder = Folder::new()?;
    let mut report = Report::default();
    measure(plan, &folder.0, &mut report)?;
    println!("\nGoals\n{}", report.goals().aligned());
    Ok(())
}

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("countersign-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
