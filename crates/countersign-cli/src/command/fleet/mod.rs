//! `countersign fleet`: what the services of a fleet have in force.

mod diff;
mod shadow;
mod sources;
mod status;

use clap::{Args, Subcommand};

use crate::exit::{EXIT_CODES, Outcome};

/// Compare what the services of a fleet have in force.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Show which instances have the policy that they should have. Exit code 1 if any does not
    Status(status::Arguments),
    /// Show which fields of the policies differ. Exit code 1 if any does
    Diff(diff::Arguments),
    /// Show whom the next policy would refuse or admit, by the shadow policies of the services. Exit code 1 if anybody
    Shadow(shadow::Arguments),
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        match self.action {
            Action::Status(arguments) => arguments.run(),
            Action::Diff(arguments) => arguments.run(),
            Action::Shadow(arguments) => arguments.run(),
        }
    }
}
