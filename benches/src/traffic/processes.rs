//! Processes, each on a processor of its own if there are two, and their processor time.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::Result;

/// What a process does: servers share a processor, and the load has another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Server,
    Load,
}

/// Returns whether processes can be kept apart.
#[must_use]
pub fn can_pin() -> bool {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    processors > 1 && Command::new("taskset").arg("--version").output().is_ok()
}

/// A command on the processor of its role.
#[must_use]
pub fn command(program: &Path, role: Role) -> Command {
    if !can_pin() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", if role == Role::Server { "0" } else { "1" }]).arg(program);
    command
}

/// The processor time of all threads of a process that live. While another program has the processor, it does not grow.
///
/// # Errors
/// If there is no such process.
pub fn busy(process: u32) -> Result<Duration> {
    let mut nanos = 0;
    for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let Ok(text) = std::fs::read_to_string(task?.path().join("schedstat")) else { continue };
        nanos += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanos))
}

/// A port that is free now.
///
/// # Errors
/// If there is none.
pub fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
