//! Load for servers that run in a process of their own, and what the benches with such servers have in common.

pub mod latency;
pub mod load;
pub mod processes;

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
