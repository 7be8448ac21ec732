//! The condition on the kind of credential.

use std::fmt;

use serde_json::{Value, json};

use super::condition::Condition;
use super::facts::Facts;
use super::rule::Requirement;
use super::verdict::Verdict;
use crate::authz::Denial;
use crate::token::CredentialKind;

/// The caller brought a credential of this kind: a signed token, an opaque one, or an API key.
///
/// ```
/// use countersign_core::authz::{scope, token_kind};
/// use countersign_core::token::CredentialKind;
///
/// let requirement = scope("payments:write").and(token_kind(CredentialKind::Signed));
/// assert_eq!(requirement.to_string(), "scope payments:write and token kind signed");
/// ```
pub fn token_kind(kind: CredentialKind) -> Requirement {
    Requirement::from_condition(TokenKind(kind))
}

struct TokenKind(CredentialKind);

impl Condition for TokenKind {
    fn kind(&self) -> &'static str {
        "token_kind"
    }

    fn argument(&self) -> Value {
        json!(self.0.name())
    }

    fn evaluate(&self, facts: &Facts<'_>) -> Verdict {
        Verdict::met_if(facts.token_kind == self.0, || Denial::Forbidden)
    }

    fn found(&self, facts: &Facts<'_>) -> Vec<String> {
        vec![format!("token kind {}", facts.token_kind.name())]
    }
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token kind {}", self.0.name())
    }
}
