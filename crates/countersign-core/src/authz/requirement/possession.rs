//! The condition that the token is bound to a key of its sender.

use std::fmt;

use serde_json::{Value, json};

use super::condition::Condition;
use super::facts::Facts;
use super::rule::Requirement;
use super::verdict::Verdict;
use crate::authz::Denial;

/// The token is bound to a key or certificate that its sender has proven to possess (RFC 9449, RFC 8705), so that it is
/// worthless to anybody else.
///
/// A bearer token is refused with 401, and the challenge asks for a bound one.
///
/// ```
/// use countersign_core::authz::{proof_of_possession, scope};
///
/// let requirement = scope("payments:write").and(proof_of_possession());
/// assert_eq!(requirement.to_string(), "scope payments:write and proof of possession");
/// ```
pub fn proof_of_possession() -> Requirement {
    Requirement::from_condition(ProofOfPossession)
}

struct ProofOfPossession;

impl Condition for ProofOfPossession {
    fn kind(&self) -> &'static str {
        "proof_of_possession"
    }

    fn argument(&self) -> Value {
        json!({})
    }

    fn evaluate(&self, facts: &Facts<'_>) -> Verdict {
        Verdict::met_if(facts.is_bound, || Denial::ProofRequired)
    }

    fn found(&self, _: &Facts<'_>) -> Vec<String> {
        vec!["the token is not bound to a key".to_owned()]
    }
}

impl fmt::Display for ProofOfPossession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("proof of possession")
    }
}
