//! `countersign mcp`: examines servers of the Model Context Protocol, as their clients see them.

mod authorization;
mod challenge;
mod check;
mod document;
mod endpoint;
mod findings;

use clap::{Args, Subcommand};

use crate::exit::{EXIT_CODES, Outcome};
use crate::runtime;

/// Examine servers of the Model Context Protocol (MCP).
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Check what a client finds: the challenge, the metadata of the server and of its authorization servers. Exit code 1 on a fault
    Check(check::Arguments),
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        let Action::Check(check) = self.action;
        let runtime = runtime::current_thread()?;
        runtime.block_on(check.run())
    }
}
