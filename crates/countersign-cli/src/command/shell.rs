//! Shell completions and the manual page, generated from the definitions of the command.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::exit::{EXIT_CODES, Exit, Failure, Outcome};
use crate::output;

/// Print completions for a shell.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, mut definition: Command) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut definition, "countersign", &mut script);
        output::bytes(&script)?;
        Ok(Exit::Done)
    }
}

/// Print the manual page in roff.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Man {
    /// Print the page of this command, such as verify, instead of the whole command's
    command: Option<String>,
}

impl Man {
    pub(crate) fn run(self, definition: Command) -> Outcome {
        let mut command = definition;
        command.build();
        if let Some(name) = &self.command {
            let one = command.find_subcommand(name).cloned();
            command = one.ok_or_else(|| Failure::usage(format!("{name}: not a command")))?;
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        output::bytes(&page)?;
        Ok(Exit::Done)
    }
}
