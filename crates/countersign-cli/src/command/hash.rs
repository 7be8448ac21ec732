//! `countersign hash`: hashes secrets for storage, and checks secrets against stored hashes.

use clap::{Args, Subcommand};
use countersign::secret::Secret;
use serde_json::json;

use crate::exit::{Exit, Failure, Outcome};
use crate::tools::hash;
use crate::{EXIT_CODES, input, output};

/// Hash a secret, or check it against a hash. The secret is read from standard input or a file, never from an argument.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Argon2id hash as a PHC string (19 MiB, 2 passes), the form in which the issuer stores client secrets
    Argon2id(From),
    /// SHA-256 in hex; not suitable for secrets that people choose
    Sha256(From),
    /// Check the secret against an Argon2 PHC string or a bcrypt hash; exit code 1 if it does not match
    Check {
        /// The stored hash, or @FILE
        #[arg(long, value_name = "HASH")]
        stored: String,
        #[command(flatten)]
        from: From,
    },
}

#[derive(Args)]
struct From {
    /// A file with the secret; defaults to standard input
    #[arg(value_name = "FILE")]
    file: Option<String>,
    /// Print one JSON object: hash, or matches
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        match self.what {
            What::Argon2id(from) => from.said(&hash::argon2id(&from.secret()?)?),
            What::Sha256(from) => from.said(&hash::sha256(from.secret()?.expose())),
            What::Check { stored, from } => {
                let stored = match stored.strip_prefix('@') {
                    Some(path) => input::file(path)?,
                    None => stored,
                };
                let matches = hash::is_hash_of(&stored, &from.secret()?)?;
                match from.json {
                    true => output::json(&json!({ "matches": matches }))?,
                    false => output::line(if matches { "the secret matches" } else { "the secret does not match" })?,
                }
                Ok(if matches { Exit::Done } else { Exit::Rejected })
            }
        }
    }
}

impl From {
    /// The secret without a trailing line break.
    fn secret(&self) -> Result<Secret<String>, Failure> {
        let text = input::file(self.file.as_deref().unwrap_or("-"))?;
        let text = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        match text.is_empty() {
            true => Err(Failure::question("no secret given; pass it on standard input")),
            false => Ok(Secret::from(text)),
        }
    }

    fn said(&self, hash: &str) -> Outcome {
        match self.json {
            true => output::json(&json!({ "hash": hash }))?,
            false => output::line(hash)?,
        }
        Ok(Exit::Done)
    }
}
