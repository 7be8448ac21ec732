//! A real Redis on a port of the system's choice.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::{Result, usage};

pub(crate) struct Redis {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Redis {
    pub(crate) fn start() -> Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = std::env::temp_dir().join(format!("countersign-fleet-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let child = serve(port, &folder)?;
        Ok(Redis { child, port, folder })
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it as a crash does; its data are lost.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    pub(crate) fn start_again(&mut self) -> Result<()> {
        self.child = serve(self.port, &self.folder)?;
        Ok(())
    }

    pub(crate) fn busy(&self) -> f64 {
        usage::busy_of_process(self.child.id())
    }

    /// The bytes that it has sent.
    pub(crate) fn sent_bytes(&self) -> u64 {
        let output = Command::new("redis-cli").args(["-p", &self.port.to_string(), "info", "stats"]).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("total_net_output_bytes:"));
        line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn serve(port: u16, folder: &std::path::Path) -> Result<Child> {
    let mut child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .args(["--maxclients", "5000", "--dir"])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("redis-server: {error} (Debian: apt-get install redis-server)"))?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines().map_while(|line| line.ok());
    if !lines.any(|line| line.contains("Ready to accept connections")) {
        return Err("redis-server ended at once".into());
    }
    std::thread::spawn(move || lines.for_each(drop)); // so that it never blocks on a full pipe
    Ok(child)
}
