//! `countersign issuer --example`: a configuration to start from.

use countersign::secret::Secret;

use crate::exit::{Exit, Outcome};
use crate::output;
use crate::tools::{hash, secret};

/// The configuration, with a place for the hash of the client's secret.
const CONFIGURATION: &str = include_str!("example.toml");

/// Prints the configuration, and the new secret of its client apart from it.
pub(super) fn print() -> Outcome {
    let secret = Secret::new(secret::random());
    let hash = hash::argon2id(&secret)?;
    output::line(CONFIGURATION.replacen("SECRET_HASH", &hash, 1).trim_end())?;
    output::note(&format!("the secret of the client agent, shown once: {}", secret.expose()));
    Ok(Exit::Done)
}
