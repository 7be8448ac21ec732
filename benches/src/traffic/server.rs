//! The servers of a bench: this program once more, on one thread of a process of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Stdio};
use std::time::Duration;

use super::Result;
use super::processes::{self, Role};

/// The argument with which this program serves.
pub const SERVE: &str = "--serve";

/// The last line that the servers print before they serve.
const READY: &str = "ready";

/// The running process, ended with this value.
#[derive(Debug)]
pub struct ServerProcess(Child);

impl ServerProcess {
    /// Starts it, and returns the lines that it printed before it served.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start() -> Result<(Self, Vec<String>)> {
        let mut command = processes::command(&std::env::current_exe()?, Role::Server);
        let mut child = command.arg(SERVE).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let lines = lines.take_while(|line| !matches!(line, Ok(line) if line == READY));
        let lines = lines.collect::<std::io::Result<_>>()?;
        Ok((ServerProcess(child), lines))
    }

    /// The processor time so far.
    ///
    /// # Errors
    /// If the process has ended.
    pub fn busy(&self) -> Result<Duration> {
        processes::busy(self.0.id())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// In the process of the servers: prints these lines, and waits until the process ends that started this one.
///
/// # Errors
/// If nobody reads.
pub async fn serve_until_left(lines: &[String]) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}\n{READY}", lines.join("\n"))?;
    output.flush()?;
    drop(output);
    // The other end of the input closes with that process.
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    Ok(())
}
