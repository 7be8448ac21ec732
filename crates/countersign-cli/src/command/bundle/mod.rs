//! `countersign bundle`: signed policies for many services.

mod diff;
mod show;
mod sign;
mod verify;

use clap::{Args, Subcommand};
use countersign::bundle::BundleVerifier;
use countersign::error::ConfigError;
use countersign::key::KeySet;
use countersign::keys;
use countersign::policy::Policy;
use countersign::verify::Verifier;

use crate::exit::{EXIT_CODES, Failure, Outcome};
use crate::input;
use crate::tools::jwk;

/// Sign policies for many services, check, show and compare them.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Generate the key that signs bundles; print the public key set that services pin
    Keygen(sign::Keygen),
    /// Sign a policy under a revision, for a fleet and a time
    Sign(sign::Arguments),
    /// Verify a bundle as services do. Exit code 1 if they would refuse it
    Verify(verify::Arguments),
    /// Show what a bundle has. NOT VERIFIED
    Show(show::Arguments),
    /// Compare the policies of two bundles or policy files. NOT VERIFIED. Exit code 1 if they differ
    Diff(diff::Arguments),
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        match self.action {
            Action::Keygen(arguments) => arguments.run(),
            Action::Sign(arguments) => arguments.run(),
            Action::Verify(arguments) => arguments.run(),
            Action::Show(arguments) => arguments.run(),
            Action::Diff(arguments) => arguments.run(),
        }
    }
}

/// The pins of a file: a JWK Set, a JWK or a PEM with public keys.
fn pins(path: &str, fleet: &str) -> Result<BundleVerifier, Failure> {
    let text = input::file(path)?;
    let keys = jwk::read(&text, None).map_err(|problem| Failure::usage(format!("{path}: {problem}")))?;
    // A key without an ID gets its thumbprint, the `kid` of bundles that it signs.
    let set = serde_json::json!({ "keys": keys.iter().map(jwk::to_jwk).collect::<Vec<_>>() });
    let set = KeySet::from_jwks(set.to_string().as_bytes());
    Ok(BundleVerifier::new(fleet, set.map_err(|rejected| Failure::usage(format!("{path}: {rejected}")))?)?)
}

/// The fingerprint of the verifier that a service builds.
fn fingerprint(policy: &Policy) -> Result<String, ConfigError> {
    let verifier = Verifier::builder().policy(policy, keys::from_config).build()?;
    Ok(verifier.fingerprint().to_string())
}
