//! The commands, one file each.

mod decode;
mod explain;
mod hash;
mod issuer;
mod jwks;
mod keygen;
mod keys;
mod mint;
mod policy;
mod shell;
mod token;
mod uuid;
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
    /// Session a token as a service would, and say why
    Verify(verify::Arguments),
    /// Explain what a request meets: rule, decision, status and challenge; beside a live service's answer
    Explain(Box<explain::Arguments>),
    /// Mint a token with a development key or your own; broken ones too, for tests
    Mint(mint::Arguments),
    /// Make a key pair or a shared secret
    Keygen(keygen::Arguments),
    /// Build key sets; convert public keys between JWK, PEM and DER; thumbprints
    Jwks(jwks::Arguments),
    /// Rotate the keys of a token service
    Rotate(issuer::Rotate),
    /// Look at the keys that an issuer publishes: check, watch
    Keys(keys::Arguments),
    /// Get a token as a service does: client credentials, exchange
    Token(token::Arguments),
    /// Hash secrets with Argon2id; check Argon2 and bcrypt hashes
    Hash(hash::Arguments),
    /// Run a token service for services that call each other
    Issuer(issuer::Serve),
    /// Make and read UUIDs
    Uuid(uuid::Arguments),
    /// Check a policy as a service would at its start
    Policy(policy::Arguments),
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
            Command::Explain(arguments) => arguments.run(),
            Command::Mint(arguments) => arguments.run(),
            Command::Keygen(arguments) => arguments.run(),
            Command::Jwks(arguments) => arguments.run(),
            Command::Rotate(arguments) => arguments.run(),
            Command::Keys(arguments) => arguments.run(),
            Command::Token(arguments) => arguments.run(),
            Command::Hash(arguments) => arguments.run(),
            Command::Issuer(arguments) => arguments.run(),
            Command::Uuid(arguments) => arguments.run(),
            Command::Policy(arguments) => arguments.run(),
            Command::Inspect(arguments) => arguments.run(),
            Command::Completions(arguments) => arguments.run(),
            Command::Man(arguments) => arguments.run(),
        }
    }
}
