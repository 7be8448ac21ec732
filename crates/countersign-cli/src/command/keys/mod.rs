//! `countersign keys`: examines the keys that an issuer publishes, as a service sees them.

mod check;
mod findings;
mod target;
mod watch;

use clap::{Args, Subcommand};

use crate::exit::{EXIT_CODES, Outcome};
use crate::runtime;

/// Examine the keys that an issuer publishes.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Check reachability, discovery's issuer, cache headers, the clock, and unusable, weak or duplicate keys. Exit code 1 on a fault
    Check(check::Arguments),
    /// Fetch repeatedly, and report keys that are added or removed
    Watch(watch::Arguments),
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        let runtime = runtime::current_thread()?;
        runtime.block_on(async {
            match self.action {
                Action::Check(arguments) => arguments.run().await,
                Action::Watch(arguments) => arguments.run().await,
            }
        })
    }
}
