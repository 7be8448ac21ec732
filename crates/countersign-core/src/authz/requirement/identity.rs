//! Conditions on who calls: subject, owner, client, issuer, actor.

use std::fmt;

use serde_json::{Value, json};

use super::condition::{Condition, Escaped, is_of_client};
use super::facts::Facts;
use super::rule::Requirement;
use super::verdict::Verdict;
use crate::authz::Denial;

/// Any caller with a verified token.
///
/// ```
/// assert_eq!(countersign_core::authz::any_authenticated().to_string(), "anyone authenticated");
/// ```
pub fn any_authenticated() -> Requirement {
    Requirement::from_condition(Identity::Any)
}

/// The token's subject is this one, whichever trusted issuer names it; combine it with [`issued_by`] if there are several.
///
/// ```
/// use countersign_core::authz::{issued_by, subject};
///
/// let ann = subject("ann").and(issued_by("https://id.example.com"));
/// assert_eq!(ann.to_string(), "subject ann and issued by https://id.example.com");
/// ```
pub fn subject(name: impl Into<String>) -> Requirement {
    Requirement::from_condition(Identity::Subject(name.into()))
}

/// The caller is this subject of this issuer: for a check on an object that belongs to somebody.
///
/// It prints as "the owner", because the subject is personal data. The [data form](Requirement#data-form) contains it.
///
/// ```
/// use countersign_core::authz::{owner, role};
///
/// let may_close = owner("https://id.example.com", "ann").or(role("admin"));
/// assert_eq!(may_close.to_string(), "the owner or role admin");
/// ```
pub fn owner(issuer: impl Into<String>, subject: impl Into<String>) -> Requirement {
    Requirement::from_condition(Identity::Owner { issuer: issuer.into(), subject: subject.into() })
}

/// The token was issued to this client and is the client's own, not that of a user with the same name.
///
/// ```
/// assert_eq!(countersign_core::authz::client("billing").to_string(), "client billing");
/// ```
pub fn client(id: impl Into<String>) -> Requirement {
    Requirement::from_condition(Identity::Client(id.into()))
}

/// The token comes from this one of the trusted issuers.
pub fn issued_by(issuer: impl Into<String>) -> Requirement {
    Requirement::from_condition(Identity::IssuedBy(issuer.into()))
}

/// This service acts for the subject as the outermost actor; earlier actors in the chain do not count.
///
/// ```
/// assert_eq!(countersign_core::authz::actor("gateway").to_string(), "actor gateway");
/// ```
pub fn actor(subject: impl Into<String>) -> Requirement {
    Requirement::from_condition(Identity::Actor(subject.into()))
}

enum Identity {
    Any,
    Subject(String),
    Owner { issuer: String, subject: String },
    Client(String),
    IssuedBy(String),
    Actor(String),
}

impl Condition for Identity {
    fn kind(&self) -> &'static str {
        match self {
            Identity::Any => "any_authenticated",
            Identity::Subject(_) => "subject",
            Identity::Owner { .. } => "owner",
            Identity::Client(_) => "client",
            Identity::IssuedBy(_) => "issued_by",
            Identity::Actor(_) => "actor",
        }
    }

    fn argument(&self) -> Value {
        match self {
            Identity::Any => json!({}),
            Identity::Owner { issuer, subject } => json!({ "issuer": issuer, "subject": subject }),
            Identity::Subject(name) | Identity::Client(name) | Identity::IssuedBy(name) | Identity::Actor(name) => {
                name.as_str().into()
            }
        }
    }

    fn evaluate(&self, facts: &Facts<'_>) -> Verdict {
        let is_met = match self {
            Identity::Any => true,
            Identity::Subject(name) => !name.is_empty() && facts.subject == name,
            Identity::Owner { issuer, subject } => {
                !subject.is_empty() && facts.subject == subject && facts.issuer == issuer
            }
            Identity::Client(id) => !id.is_empty() && facts.client == id && is_of_client(facts),
            Identity::IssuedBy(issuer) => facts.issuer == issuer,
            Identity::Actor(subject) => !subject.is_empty() && facts.actor == Some(subject),
        };
        Verdict::met_if(is_met, || Denial::Forbidden)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Identity::Any => f.write_str("anyone authenticated"),
            Identity::Subject(name) => write!(f, "subject {}", Escaped(name)),
            Identity::Owner { .. } => f.write_str("the owner"), // the subject would be personal data in a log
            Identity::Client(id) => write!(f, "client {}", Escaped(id)),
            Identity::IssuedBy(issuer) => write!(f, "issued by {}", Escaped(issuer)),
            Identity::Actor(subject) => write!(f, "actor {}", Escaped(subject)),
        }
    }
}
