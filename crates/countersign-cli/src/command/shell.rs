//! Completions and the manual page, made from the same definitions as the command itself.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::{Cli, EXIT_CODES};

/// `countersign completions`
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "countersign", &mut script);
        output::bytes(&script)?;
        Ok(Exit::Done)
    }
}

/// `countersign man`
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Man {
    /// The page of one command, such as verify
    command: Option<String>,
}

impl Man {
    pub(crate) fn run(self) -> Outcome {
        let mut command = Cli::command();
        command.build();
        if let Some(name) = &self.command {
            let one = command.find_subcommand(name).cloned();
            command = one.ok_or_else(|| Failure::question(format!("there is no command {name}")))?;
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        output::bytes(&page)?;
        Ok(Exit::Done)
    }
}
