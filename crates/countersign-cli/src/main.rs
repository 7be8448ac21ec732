//! The `countersign` command: inspects tokens, verifies them as your services do, and shows the reason.
//!
//! Everything runs on this machine. Only the keys of an issuer that you name are fetched.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | accepted, or done |
//! | 1 | rejected |
//! | 2 | invalid use: a bad option, an unreadable file |
//! | 3 | undecided: keys or service not reachable |

mod claim_text;
mod command;
mod encoding;
mod exit;
mod fetch;
mod input;
mod inspector;
mod keyfile;
mod log;
mod output;
mod plane;
mod redis;
mod runtime;
mod server;
mod times;
mod token_view;
mod tools;
mod verification;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use command::Command;
use exit::{EXIT_CODES, Failure};

/// Inspect JSON Web Tokens, verify them as your services do, and see the reason.
#[derive(Parser)]
#[command(name = "countersign", version, after_help = EXIT_CODES, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    match cli.command.run(Cli::command) {
        Ok(exit) => exit.into(),
        Err(Failure::Usage(message)) => {
            output::warn(&message);
            exit::Exit::Usage.into()
        }
        Err(Failure::Output) => exit::Exit::Done.into(), // the reader closed the pipe
    }
}

/// Prints help, or the refusal of an argument. Arguments may be somebody else's text, and clap repeats them as they are: so
/// the message is that for the same arguments in their visible form.
fn refused(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        error.exit(); // help or version
    }
    let visible = std::env::args_os().map(|argument| output::safe(&argument.to_string_lossy()));
    match Cli::try_parse_from(visible) {
        Err(error) if error.use_stderr() => drop(error.print()),
        _ => output::warn("an argument has invisible characters; remove them"),
    }
    exit::Exit::Usage.into()
}
