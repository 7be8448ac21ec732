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

use std::ffi::OsString;
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

/// Runs the command with these arguments, of which the first is the name of the program, and returns its exit code.
///
/// A program that starts itself as the command needs no other file, as `examples/fleet` does. The command prints to standard
/// output, takes over signals and logging, and ends the process after `--help`: call it only as the last step of `main`.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     countersign_cli::run(["countersign", "plane"])
/// }
/// ```
pub fn run(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return refused(&error, &arguments),
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
fn refused(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    if !error.use_stderr() {
        error.exit(); // help or version
    }
    let visible = arguments.iter().map(|argument| output::safe(&argument.to_string_lossy()));
    match Cli::try_parse_from(visible) {
        Err(error) if error.use_stderr() => drop(error.print()),
        _ => output::warn("an argument has invisible characters; remove them"),
    }
    exit::Exit::Usage.into()
}
