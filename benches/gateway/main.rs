//! The gateway beside servers that always permit, and beside peers that verify tokens at the edge.
//!
//!     cargo bench --manifest-path benches/Cargo.toml --no-default-features --bench gateway [-- --quick]
//!
//! All servers share one processor, and the load has the other one. Decisions are counted for each second of processor time
//! of the servers, so that other programs on the machine change them little. Latencies need a machine without other work.
//! Contenders take turns.
//!
//! It needs `h2load` (Debian: `nghttp2-client`); the parts with peers need Envoy and oauth2-proxy: `tests/peers/install`.

mod decisions;
mod envoy;
mod oauth2_proxy;
mod server;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use countersign_benches::report::Report;
use countersign_benches::traffic::{Plan, Result, load, processes};

fn main() -> ExitCode {
    // Cargo passes `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [server::SERVE] => server::serve(),
        [] => run(&Plan::FULL),
        ["--quick"] => run(&Plan::QUICK),
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

fn run(plan: &Plan) -> Result<()> {
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
    let servers = server::Servers::start()?;
    let mut report = Report::default();
    decisions::run(plan, &servers, &folder.0, &mut report)?;
    envoy::run(plan, &servers, &folder.0, &mut report)?;
    oauth2_proxy::run(plan, &servers, &mut report)?;
    println!("\nGoals\n{}", report.goals().aligned());
    Ok(())
}

/// The place of a program that `tests/peers/install` installs.
pub(crate) fn peer(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers").join(path);
    path.exists().then_some(path)
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
