//! The commands, one file each.

mod decode;
mod shell;
pub(crate) mod verify;

use clap::Subcommand;

use crate::exit::Outcome;
use crate::inspector;

pub(crate) use decode::View;

/// What can be asked.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show whatever can be decoded of a token. Verifies nothing unless keys are given
    Decode(decode::Arguments),
    /// Judge a token as a service would, and say why
    Verify(verify::Arguments),
    /// Look at tokens on a local page: edit, check, compare, mint, try
    Inspect(inspector::Arguments),
    /// Print completions for a shell
    Completions(shell::Completions),
    /// Print the manual page, in roff
    Man(shell::Man),
}

impl Command {
    pub(crate) fn run(self) -> Outcome {
        match self {
            Command::Decode(arguments) => arguments.run(),
            Command::Verify(arguments) => arguments.run(),
            Command::Inspect(arguments) => arguments.run(),
            Command::Completions(arguments) => arguments.run(),
            Command::Man(arguments) => arguments.run(),
        }
    }
}
