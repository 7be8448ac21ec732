//! `countersign bundle`: signed policies for many services.

mod checks;
mod diff;
mod publish;
mod read;
mod show;
mod sign;
mod verify;

pub(super) use read::{PolicyDocument, read_document};

use clap::{Args, Subcommand};

use crate::exit::{EXIT_CODES, Outcome};

/// Sign policies for many services, check, publish, show and compare them.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Generate the key that signs bundles; print the public key set that services pin
    Keygen(sign::Keygen),
    /// Sign a policy under a revision, for a fleet and a time
    Sign(sign::Arguments),
    /// Verify a bundle as services do. Exit code 1 if they would refuse it
    Verify(verify::Arguments),
    /// Publish a bundle in Redis, from where services pull it. Exit code 1 if they would refuse it
    Publish(publish::Arguments),
    /// Show what a bundle has. NOT VERIFIED
    Show(show::Arguments),
    /// Compare the policies of two bundles or policy files. NOT VERIFIED. Exit code 1 if they differ
    Diff(diff::Arguments),
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        match self.action {
            Action::Keygen(arguments) => arguments.run(),
            Action::Sign(arguments) => arguments.run(),
            Action::Verify(arguments) => arguments.run(),
            Action::Publish(arguments) => arguments.run(),
            Action::Show(arguments) => arguments.run(),
            Action::Diff(arguments) => arguments.run(),
        }
    }
}
