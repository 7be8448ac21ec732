//! A policy, from a bundle or a policy file.

use countersign::policy::Policy;

use super::show::content;
use crate::exit::Failure;
use crate::input;
use crate::verification::read_policy;

/// A policy with what its bundle states. Nothing is verified.
pub(crate) struct PolicyDocument {
    pub(crate) policy: Policy,
    pub(crate) fleet: Option<String>,
    pub(crate) revision: Option<u64>,
}

/// Reads a bundle, or a policy in TOML or JSON.
pub(crate) fn read_document(path: &str) -> Result<PolicyDocument, Failure> {
    let text = input::file(path)?;
    let named = |problem: Failure| Failure::usage(format!("{path}: {problem}"));
    let Some((_, payload)) = content(&text) else {
        let policy = read_policy(&text, None).map_err(named)?;
        return Ok(PolicyDocument { policy, fleet: None, revision: None });
    };
    let policy = Policy::from_json(&payload["policy"].to_string()).map_err(Failure::from).map_err(named)?;
    Ok(PolicyDocument {
        policy,
        fleet: payload["aud"].as_str().map(str::to_owned),
        revision: payload["revision"].as_u64(),
    })
}
