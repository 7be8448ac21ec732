//! The commands, one file each.

mod apikey;
mod attack;
mod bundle;
mod decode;
mod dev;
mod dpop;
mod explain;
mod fleet;
mod gateway;
mod hash;
mod issuer;
mod jwks;
mod keygen;
mod keys;
mod level;
mod mcp;
mod mint;
mod plane;
mod policy;
mod shell;
mod token;
mod trace;
mod uuid;
mod verify;

use clap::Subcommand;

use crate::exit::Outcome;
use crate::inspector;

/// The subcommands.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Decode a token without verifying it
    Decode(decode::Arguments),
    /// Verify a token as a service does, and show the reason
    Verify(verify::Arguments),
    /// Explain the outcome of a request: rule, decision, status, challenge; compare with a live service
    Explain(Box<explain::Arguments>),
    /// Mint a token, valid or broken, with a development key or your own
    Mint(mint::Arguments),
    /// Make proofs for tokens that are bound to a key (DPoP)
    Dpop(dpop::Arguments),
    /// Run a provider for development: keys, and tokens of users whom you name
    Dev(dev::Arguments),
    /// Send every attack of the test kit to a running service
    Attack(attack::Arguments),
    /// Generate a key pair or a shared secret
    Keygen(keygen::Arguments),
    /// Build key sets, convert public keys between JWK, PEM and DER, compute thumbprints
    Jwks(jwks::Arguments),
    /// Rotate the keys of a token service
    Rotate(issuer::Rotate),
    /// Revoke tokens of a token service: one, or those of a session, a subject or a client
    Revoke(issuer::Revoke),
    /// Check or watch the keys that an issuer publishes
    Keys(keys::Arguments),
    /// Check a server of the Model Context Protocol as its clients see it
    Mcp(mcp::Arguments),
    /// Get a token as a service does: client credentials or token exchange
    Token(token::Arguments),
    /// Show who called whom in one transaction, from the audit lines of several services
    Trace(trace::Arguments),
    /// Hash secrets with Argon2id, check Argon2 and bcrypt hashes
    Hash(hash::Arguments),
    /// Make, list, rotate and revoke API keys
    Apikey(apikey::Arguments),
    /// Run a token service for services that call each other
    Issuer(issuer::Serve),
    /// Decide for nginx, Caddy, HAProxy, Traefik or Envoy whether requests may pass
    Gateway(gateway::Arguments),
    /// Generate and parse UUIDs
    Uuid(uuid::Arguments),
    /// Check a policy as a service does at start-up
    Policy(policy::Arguments),
    /// Sign policies for many services, check, show and compare them
    Bundle(bundle::Arguments),
    /// Compare what the services of a fleet have in force
    Fleet(fleet::Arguments),
    /// Collect the reports of many services, and show them on a page
    Plane(plane::Arguments),
    /// Inspect tokens on a local page: edit, check, compare, sign, send
    Inspect(inspector::Arguments),
    /// Print completions for a shell
    Completions(shell::Completions),
    /// Print the manual page in roff
    Man(shell::Man),
}

impl Command {
    /// Runs the command; `definition` is that of the whole program, for completions and manual pages.
    pub(crate) fn run(self, definition: fn() -> clap::Command) -> Outcome {
        match self {
            Command::Decode(arguments) => arguments.run(),
            Command::Verify(arguments) => arguments.run(),
            Command::Explain(arguments) => arguments.run(),
            Command::Mint(arguments) => arguments.run(),
            Command::Dpop(arguments) => arguments.run(),
            Command::Dev(arguments) => arguments.run(),
            Command::Attack(arguments) => arguments.run(),
            Command::Keygen(arguments) => arguments.run(),
            Command::Jwks(arguments) => arguments.run(),
            Command::Rotate(arguments) => arguments.run(),
            Command::Revoke(arguments) => arguments.run(),
            Command::Keys(arguments) => arguments.run(),
            Command::Mcp(arguments) => arguments.run(),
            Command::Token(arguments) => arguments.run(),
            Command::Trace(arguments) => arguments.run(),
            Command::Hash(arguments) => arguments.run(),
            Command::Apikey(arguments) => arguments.run(),
            Command::Issuer(arguments) => arguments.run(),
            Command::Gateway(arguments) => arguments.run(),
            Command::Uuid(arguments) => arguments.run(),
            Command::Policy(arguments) => arguments.run(),
            Command::Bundle(arguments) => arguments.run(),
            Command::Fleet(arguments) => arguments.run(),
            Command::Plane(arguments) => arguments.run(),
            Command::Inspect(arguments) => arguments.run(),
            Command::Completions(arguments) => arguments.run(definition()),
            Command::Man(arguments) => arguments.run(definition()),
        }
    }
}
