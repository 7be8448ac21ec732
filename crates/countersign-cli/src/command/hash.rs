//! `countersign hash`: hashes secrets for storage, and checks secrets against stored hashes.

use clap::{Args, Subcommand};
use countersign::secret::Secret;
use serde_json::json;

use crate::exit::{EXIT_CODES, Exit, Failure, Outcome};
use crate::tools::hash;
use crate::{input, output};

/// Hash a secret, or check it against a hash. The secret is read from standard input or a file, never from an argument.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Hash with Argon2id (19 MiB, 2 passes): a PHC string, as the issuer stores client secrets
    Argon2id(Input),
    /// Hash with SHA-256, in hex; not suitable for secrets that people choose
    Sha256(Input),
    /// Check the secret against an Argon2 PHC string or a bcrypt hash; exit code 1 if it does not match
    Check {
        /// The stored hash, or @FILE
        #[arg(long, value_name = "HASH")]
        stored: String,
        #[command(flatten)]
        input: Input,
    },
}

#[derive(Args)]
struct Input {
    /// A file with the secret; defaults to standard input
    #[arg(value_name = "FILE")]
    file: Option<String>,
    /// Print one JSON object: hash, or matches
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        match self.action {
            Action::Argon2id(input) => input.print(&hash::argon2id(&input.secret()?)?),
            Action::Sha256(input) => input.print(&hash::sha256(input.secret()?.expose())),
            Action::Check { stored, input: given } => {
                let stored = match stored.strip_prefix('@') {
                    Some(path) => input::file(path)?,
                    None => stored,
                };
                let matches = hash::is_hash_of(&stored, &given.secret()?)?;
                match given.json {
                    true => output::json(&json!({ "matches": matches }))?,
                    false => output::line(if matches { "the secret matches" } else { "the secret does not match" })?,
                }
                Ok(if matches { Exit::Done } else { Exit::Rejected })
            }
        }
    }
}

impl Input {
    /// The secret without a trailing line break.
    fn secret(&self) -> Result<Secret<String>, Failure> {
        let text = input::file(self.file.as_deref().unwrap_or("-"))?;
        let text = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        match text.is_empty() {
            true => Err(Failure::usage("no secret given; pass it on standard input")),
            false => Ok(Secret::from(text)),
        }
    }

    fn print(&self, hash: &str) -> Outcome {
        match self.json {
            true => output::json(&json!({ "hash": hash }))?,
            false => output::line(hash)?,
        }
        Ok(Exit::Done)
    }
}
