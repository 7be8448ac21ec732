//! The `countersign` command: look at tokens, verify them as your services do, and see why.
//!
//! Everything happens on this machine; nothing is fetched but the keys of an issuer that you name.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | accepted, or done |
//! | 1 | rejected |
//! | 2 | the question itself was wrong: a bad option, an unreadable file |
//! | 3 | it could not be decided: keys unreachable |

mod command;
mod encoding;
mod exit;
mod fetch;
mod input;
mod inspector;
mod keyfile;
mod output;
mod times;
mod tools;
mod words;

use std::process::ExitCode;

use clap::Parser;

use command::Command;
use exit::Failure;

/// What every help page says at its end.
const EXIT_CODES: &str = "\
Exit codes:
  0  accepted, or done
  1  rejected
  2  the question itself was wrong: a bad option, an unreadable file
  3  it could not be decided: keys unreachable";

/// Look at JSON Web Tokens, verify them as your services do, and see why.
#[derive(Parser)]
#[command(name = "countersign", version, after_help = EXIT_CODES, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let cli = Cli::parse(); // clap leaves with 2 on a bad option
    match cli.command.run() {
        Ok(exit) => exit.into(),
        Err(Failure::Question(message)) => {
            output::complain(&message);
            exit::Exit::Question.into()
        }
        Err(Failure::Output) => exit::Exit::Done.into(), // the reader has seen enough
    }
}
