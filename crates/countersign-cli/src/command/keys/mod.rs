//! `countersign keys`: what an issuer publishes, looked at as a service would see it.

mod check;
mod findings;
mod watch;

use clap::{Args, Subcommand};

use crate::EXIT_CODES;
use crate::exit::{Failure, Outcome};

/// Look at the keys that an issuer publishes.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Reachability, discovery's issuer, cache headers, odd, weak or doubled keys, clock difference. Exit 1 on a fault
    Check(check::Arguments),
    /// Look again and again, and report when keys come and go
    Watch(watch::Arguments),
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::question(format!("no runtime: {error}")))?;
        runtime.block_on(async {
            match self.what {
                What::Check(arguments) => arguments.run().await,
                What::Watch(arguments) => arguments.run().await,
            }
        })
    }
}
