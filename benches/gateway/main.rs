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
use std::process::ExitCode;

use countersign_benches::report::Report;
use countersign_benches::traffic::{self, Plan, Result};

fn main() -> ExitCode {
    traffic::run(server::serve, measure)
}

fn measure(plan: &Plan, folder: &Path, report: &mut Report) -> Result<()> {
    let servers = server::Servers::start()?;
    decisions::run(plan, &servers, folder, report)?;
    envoy::run(plan, &servers, folder, report)?;
    oauth2_proxy::run(plan, &servers, report)
}

/// The place of a program that `tests/peers/install` installs.
pub(crate) fn peer(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers").join(path);
    path.exists().then_some(path)
}
