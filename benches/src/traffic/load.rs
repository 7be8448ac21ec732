//! The load, made by `h2load` of nghttp2 on the other processor.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::edge;
use envoy_types::ext_authz::v3::pb::CheckRequest;

use super::Result;
use super::processes::{self, Role};

/// Connections over HTTP/1.1, and connections with streams over HTTP/2: as many requests in progress.
const HTTP1: [&str; 2] = ["64", "1"];
const HTTP2: [&str; 2] = ["4", "16"];

/// One kind of request, again and again.
pub struct Load {
    url: String,
    arguments: Vec<String>,
    body: Option<PathBuf>,
}

/// Requests that were answered.
pub struct Answered {
    pub requests: f64,
}

impl Load {
    /// Requests of HTTP/1.1 with these headers.
    #[must_use]
    pub fn http(address: SocketAddr, path: &str, headers: &[(&str, String)]) -> Self {
        let [connections, streams] = HTTP1;
        let mut arguments = ["--h1", "-c", connections, "-m", streams].map(str::to_owned).to_vec();
        // It sends a host by itself.
        for (name, value) in headers.iter().filter(|(name, _)| *name != "host") {
            arguments.extend(["-H".to_owned(), format!("{name}: {value}")]);
        }
        Load { url: format!("http://{address}{path}"), arguments, body: None }
    }

    /// Requests of HTTP/2 without TLS, with these headers.
    #[must_use]
    pub fn h2c(address: SocketAddr, path: &str, headers: &[(&str, String)]) -> Self {
        let [connections, streams] = HTTP2;
        let mut arguments = ["-c", connections, "-m", streams].map(str::to_owned).to_vec();
        for (name, value) in headers {
            arguments.extend(["-H".to_owned(), format!("{name}: {value}")]);
        }
        Load { url: format!("http://{address}{path}"), arguments, body: None }
    }

    /// Checks over gRPC, with these headers.
    ///
    /// # Errors
    /// If the message cannot be written into the folder.
    pub fn grpc(address: SocketAddr, check: &CheckRequest, headers: &[(&str, String)], folder: &Path) -> Result<Self> {
        let body = folder.join("check");
        std::fs::write(&body, edge::frame(check))?;
        let own = [("content-type", "application/grpc".to_owned()), ("te", "trailers".to_owned())];
        let load = Self::h2c(address, edge::CHECK_METHOD, &[&own, headers].concat());
        Ok(Load { body: Some(body), ..load })
    }

    /// Sends requests for so long.
    ///
    /// # Errors
    /// If a request is not answered with 2xx.
    pub fn run(&self, length: Duration) -> Result<Answered> {
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
#[must_use]
pub fn is_installed() -> bool {
    Command::new("h2load").arg("--version").output().is_ok()
}
