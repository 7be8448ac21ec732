//! The pins of services, and the check of a policy as services build it.

use countersign::bundle::BundleVerifier;
use countersign::error::ConfigError;
use countersign::key::KeySet;
use countersign::keys;
use countersign::policy::Policy;
use countersign::verify::Verifier;

use crate::exit::Failure;
use crate::input;
use crate::tools::jwk;

/// The pins of a file: a JWK Set, a JWK or a PEM with public keys.
pub(super) fn pins(path: &str, fleet: &str) -> Result<BundleVerifier, Failure> {
    let text = input::file(path)?;
    let keys = jwk::read(&text, None).map_err(|problem| Failure::usage(format!("{path}: {problem}")))?;
    // A key without an ID gets its thumbprint, the `kid` of bundles that it signs.
    let set = serde_json::json!({ "keys": keys.iter().map(jwk::to_jwk).collect::<Vec<_>>() });
    let set = KeySet::from_jwks(set.to_string().as_bytes());
    Ok(BundleVerifier::new(fleet, set.map_err(|rejected| Failure::usage(format!("{path}: {rejected}")))?)?)
}

/// The fingerprint of the verifier that a service builds.
pub(super) fn fingerprint(policy: &Policy) -> Result<String, ConfigError> {
    let verifier = Verifier::builder().policy(policy, keys::from_config).build()?;
    Ok(verifier.fingerprint().to_string())
}
