//! A requirement in words.

use std::fmt;

use super::place::TenantPlace;
use super::rule::{Requirement, Rule};

/// A name as it stands, but for what could break a log line in two or turn its direction.
struct Name<'n>(&'n str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '"' | '\'' | '\\' => write!(f, "{character}"),
            other => write!(f, "{}", other.escape_debug()),
        })
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Rule::Authenticated => f.write_str("anyone authenticated"),
            Rule::Scope(name) => write!(f, "scope {}", Name(name)),
            Rule::Role(name) => write!(f, "role {}", Name(name)),
            Rule::Permission(name) => write!(f, "permission {}", Name(name)),
            Rule::Group(name) => write!(f, "group {}", Name(name)),
            Rule::Subject(name) => write!(f, "subject {}", Name(name)),
            Rule::Owner { .. } => f.write_str("the owner"), // who that is would be personal (S10.06)
            Rule::Client(id) => write!(f, "client {}", Name(id)),
            Rule::IssuedBy(issuer) => write!(f, "issued by {}", Name(issuer)),
            Rule::Claim { pointer, value } => write!(f, "claim {} is {}", Name(pointer), Name(&value.to_string())),
            Rule::Own(rule) => write!(f, "{}", Name(&rule.words)),
            Rule::Tenant(place) => write!(f, "tenant as in {place}"),
            Rule::AuthenticatedWithin(age) => write!(f, "authenticated within {} s", age.as_secs()),
            Rule::AuthenticatedAs(values) => write!(f, "acr {}", Name(&values.join(" or "))),
            Rule::AuthenticatedBy(method) => write!(f, "authenticated by {}", Name(method)),
            Rule::Actor(subject) => write!(f, "actor {}", Name(subject)),
            Rule::AtLeast(count, parts) => {
                write!(f, "at least {count} of (")?;
                for (index, part) in parts.iter().enumerate() {
                    write!(f, "{}{part}", if index > 0 { ", " } else { "" })?;
                }
                f.write_str(")")
            }
            Rule::All(parts) => join(f, parts, "and"),
            Rule::Any(parts) => join(f, parts, "or"),
            Rule::Not(inner) => write!(f, "not ({inner})"),
            Rule::Hidden(inner) => {
                in_brackets(f, inner)?;
                f.write_str(" (else 404)")
            }
            Rule::Shadow(inner, _) => write!(f, "shadow ({inner})"),
        }
    }
}

impl fmt::Display for TenantPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TenantPlace::Path(parameter) => write!(f, "the path's {{{}}}", Name(parameter)),
            TenantPlace::Header(name) => write!(f, "the header {}", Name(name)),
            TenantPlace::HostUnder(domain) => write!(f, "the host under {}", Name(domain)),
        }
    }
}

impl fmt::Debug for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Requirement({self})")
    }
}

fn join(f: &mut fmt::Formatter<'_>, parts: &[Requirement], word: &str) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            write!(f, " {word} ")?;
        }
        in_brackets(f, part)?;
    }
    Ok(())
}

/// Brackets around what would else read differently beside its neighbours.
fn in_brackets(f: &mut fmt::Formatter<'_>, part: &Requirement) -> fmt::Result {
    match &*part.0 {
        Rule::All(_) | Rule::Any(_) => write!(f, "({part})"),
        _ => write!(f, "{part}"),
    }
}
