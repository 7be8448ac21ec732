//! Conditions on who calls: subject, owner, client, issuer, actor.

use std::fmt;

use serde_json::{Value, json};

use super::condition::{Condition, Escaped};
use super::facts::{Facts, Unknown};
use super::found;
use super::rule::Requirement;
use super::verdict::Verdict;
use crate::authz::{Denial, Fact};
use crate::redact::word;

/// Any caller with a verified token.
///
/// ```
/// assert_eq!(countersign_core::authz::any_authenticated().to_string(), "anyone authenticated");
/// ```
pub fn any_authenticated() -> Requirement {
    Requirement::from_condition(Identity::Any)
}

/// The token's subject is this one.
///
/// If several issuers are trusted, the same name may be somebody else's at each: combine it with [`issued_by`], as below, or
/// use [`owner`]. Without an issuer, it is then never met, and neither is its negation.
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

/// The token was issued to this client and is the client's own: not that of a user with the same name, and not one that
/// somebody acts with.
///
/// If several issuers are trusted, combine it with [`issued_by`], as with [`subject`].
///
/// ```
/// use countersign_core::authz::{client, issued_by};
///
/// assert_eq!(client("billing").to_string(), "client billing");
/// let partners = client("billing").and(issued_by("https://partner.example.net"));
/// # let _ = partners;
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
/// An actor that the token names as one of another issuer (`act.iss`) does not count. If several issuers are trusted, combine
/// it with [`issued_by`], as with [`subject`].
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
        match self.is_met(facts) {
            Ok(is_met) => Verdict::met_if(is_met, || Denial::Forbidden),
            Err(unknown) => Verdict::Unknown(Denial::Forbidden, unknown),
        }
    }

    /// Subjects and actors may be people and are not named.
    fn found(&self, facts: &Facts<'_>) -> Vec<String> {
        let another = |wanted: &str, found: &str, whose: &str| match found::differs_by_case(wanted, found) {
            true => format!("the token names another {whose}, which differs only by case"),
            false => format!("the token names another {whose}"),
        };
        match self {
            Identity::Any => Vec::new(),
            Identity::IssuedBy(_) => vec![format!("the token is of {}", word(facts.issuer))],
            Identity::Subject(name) if !facts.subject.is_empty() && facts.subject != name => {
                vec![another(name, facts.subject, "subject")]
            }
            Identity::Owner { subject, .. } if facts.subject == subject => {
                vec!["the token is of another issuer".to_owned()]
            }
            Identity::Owner { subject, .. } => vec![another(subject, facts.subject, "subject")],
            Identity::Client(_) if facts.client.is_empty() => {
                vec![
                    "the token names no client; client_at of the policy names the claim that it is read from"
                        .to_owned(),
                ]
            }
            Identity::Client(id) if facts.client == id => {
                vec![
                    "the token was issued to the client and is not the client's own: it has a user or an actor"
                        .to_owned(),
                ]
            }
            Identity::Client(id) => {
                let near_miss = found::near_miss(id, std::iter::once(facts.client));
                let is = format!("the token was issued to client {}", word(facts.client));
                [is].into_iter().chain(near_miss).collect()
            }
            Identity::Actor(_) if facts.actor.is_none() => vec!["nobody acts for the subject".to_owned()],
            Identity::Actor(name) => vec![another(name, facts.actor.unwrap_or_default(), "actor")],
            Identity::Subject(_) => Vec::new(),
        }
    }

    fn issuer(&self) -> Option<&str> {
        match self {
            Identity::IssuedBy(issuer) if !issuer.is_empty() => Some(issuer),
            _ => None,
        }
    }
}

impl Identity {
    fn is_met(&self, facts: &Facts<'_>) -> Result<bool, Unknown> {
        let stated = |name: &str, claim: &str| match () {
            () if facts.is_elsewhere(claim) => Err(Unknown::Distributed),
            () if name.is_empty() => Err(Unknown::NotInToken),
            () => Ok(()),
        };
        // A name counts only together with its issuer.
        let of_issuer = || facts.is_named_issuer().ok_or(Unknown::SeveralIssuers);
        match self {
            Identity::Any => Ok(true),
            Identity::Subject(name) | Identity::Client(name) | Identity::Actor(name) | Identity::IssuedBy(name)
                if name.is_empty() =>
            {
                Err(Unknown::NotInToken) // an empty name is nobody's
            }
            Identity::IssuedBy(issuer) => Ok(facts.issuer == issuer),
            Identity::Subject(name) => {
                stated(facts.subject, "sub")?;
                Ok(of_issuer()? && facts.subject == name)
            }
            Identity::Owner { issuer, subject } => {
                stated(facts.subject, "sub")?;
                stated(subject, "sub")?;
                stated(issuer, "iss")?;
                Ok(facts.subject == subject && facts.issuer == issuer)
            }
            Identity::Client(id) => {
                if facts.grants.unknown.contains(Fact::Client) {
                    return Err(Unknown::Distributed);
                }
                stated(facts.client, "client_id")?;
                stated(facts.subject, "sub")?;
                if facts.is_elsewhere("act") {
                    return Err(Unknown::Distributed);
                }
                Ok(of_issuer()? && facts.is_clients_own && facts.actor.is_none() && facts.client == id)
            }
            Identity::Actor(subject) => {
                if facts.is_elsewhere("act") {
                    return Err(Unknown::Distributed);
                }
                let Some(actor) = facts.actor else { return Ok(false) }; // nobody acts: that is known
                stated(actor, "act")?;
                let is_issuers_own = facts.actor_issuer.is_none_or(|issuer| issuer == facts.issuer);
                Ok(of_issuer()? && is_issuers_own && actor == subject)
            }
        }
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
