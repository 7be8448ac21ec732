//! The load, made by `h2load` of nghttp2 on the other processor.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use countersign_benches::edge;
use envoy_types::ext_authz::v3::pb::CheckRequest;

use crate::Result;
use crate::processes::{self, Role};

/// Connections over HTTP/1.1, and connections with streams over HTTP/2: as many requests in progress.
const HTTP1: [&str; 2] = ["64", "1"];
const HTTP2: [&str; 2] = ["4", "16"];

/// One kind of request, again and again.
pub(crate) struct Load {
    url: String,
    arguments: Vec<String>,
    body: Option<PathBuf>,
}

/// Requests that were answered.
pub(crate) struct Answered {
    pub(crate) requests: f64,
}

impl Load {
    /// Requests of HTTP/1.1 with these headers.
    pub(crate) fn http(address: SocketAddr, path: &str, headers: &[(&str, String)]) -> Self {
        let [connections, streams] = HTTP1;
        let mut arguments = ["--h1", "-c", connections, "-m", streams].map(str::to_owned).to_vec();
        // It sends a host by itself.
        for (name, value) in headers.iter().filter(|(name, _)| *name != "host") {
            arguments.extend(["-H".to_owned(), format!("{name}: {value}")]);
        }
        Load { url: format!("http://{address}{path}"), arguments, body: None }
    }

    /// Checks over gRPC.
    pub(crate) fn grpc(address: SocketAddr, check: &CheckRequest, folder: &Path) -> Result<Self> {
        let body = folder.join("check");
        std::fs::write(&body, edge::frame(check))?;
        let [connections, streams] = HTTP2;
        let arguments =
            ["-c", connections, "-m", streams, "-H", "content-type: application/grpc", "-H", "te: trailers"];
        let arguments = arguments.map(str::to_owned).to_vec();
        Ok(Load { url: format!("http://{address}{}", edge::CHECK_METHOD), arguments, body: Some(body) })
    }

    /// Sends requests for so long.
    pub(crate) fn run(&self, length: Duration) -> Result<Answered> {
        let mut command = processes::command(Path::new("h2load"), Role::Load);
        command.args(["-t", "1", "-D", &format!("{}ms", length.as_millis())]).args(&self.arguments);
        if let Some(body) = &self.body {
            command.arg("-d").arg(body);
        }
        let output = command.arg(&self.url).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let counts = text.lines().find_map(|line| line.strip_prefix("status codes: "));
        let counts: Vec<f64> = counts
            .into_iter()
            .flat_map(|line| line.split(", "))
            .filter_map(|part| part.split(' ').next()?.parse().ok())
            .collect();
        match &counts[..] {
            [good, rest @ ..] if *good > 0.0 && rest.iter().all(|other| *other == 0.0) => {
                Ok(Answered { requests: *good })
            }
            _ => Err(format!("{} does not answer 2xx: {text}", self.url).into()),
        }
    }
}

/// Whether the program is there.
pub(crate) fn is_installed() -> bool {
    Command::new("h2load").arg("--version").output().is_ok()
}
