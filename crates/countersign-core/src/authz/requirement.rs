//! A rule as a value: built once, combined, printed, tested without HTTP.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::decision::{Decision, Denial};
use super::grants::Grants;
use crate::clock::UnixTime;

/// What a caller must have or be.
///
/// It prints itself in words, so that logs, errors and tables say the same thing.
///
/// ```
/// use std::time::Duration;
/// use countersign_core::authz::{authenticated_within, permission, role, scope};
///
/// let can_write = scope("orders:write")
///     .and(role("manager").or(permission("orders:override")))
///     .and(authenticated_within(Duration::from_secs(900)));
/// assert_eq!(
///     can_write.to_string(),
///     "scope orders:write and (role manager or permission orders:override) and authenticated within 900 s",
/// );
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use = "a requirement guards nothing until it is given to `require`"]
pub struct Requirement(Arc<Rule>);

#[derive(Debug, PartialEq, Eq)]
enum Rule {
    Scope(String),
    Role(String),
    Permission(String),
    Subject(String),
    Client(String),
    IssuedBy(String),
    TenantInPath(String),
    AuthenticatedWithin(Duration),
    All(Vec<Requirement>),
    Any(Vec<Requirement>),
    Not(Requirement),
}

/// What a requirement is judged over.
#[derive(Clone, Copy)]
pub struct Facts<'f> {
    /// The caller's authorities.
    pub grants: &'f Grants,
    /// The token's `sub`; empty where it has none.
    pub subject: &'f str,
    /// The client that asked for the token; empty where it is not told.
    pub client: &'f str,
    /// The token's `iss`.
    pub issuer: &'f str,
    /// The time of the request.
    pub now: UnixTime,
    /// Path parameters of the request by name, if it has a path.
    pub path: &'f dyn Fn(&str) -> Option<String>,
}

impl fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts").field("grants", self.grants).field("now", &self.now).finish_non_exhaustive()
    }
}

/// The token has this scope.
pub fn scope(name: impl Into<String>) -> Requirement {
    Requirement::of(Rule::Scope(name.into()))
}

/// The caller has this role, by itself or implied by another.
pub fn role(name: impl Into<String>) -> Requirement {
    Requirement::of(Rule::Role(name.into()))
}

/// The caller has this permission, by itself or through a role.
pub fn permission(name: impl Into<String>) -> Requirement {
    Requirement::of(Rule::Permission(name.into()))
}

/// The token is about this subject of whatever trusted issuer; combine it with [`issued_by`] where there are several.
pub fn subject(name: impl Into<String>) -> Requirement {
    Requirement::of(Rule::Subject(name.into()))
}

/// The token was issued to this client, and speaks for the client itself, not for a user of the same name (S3.21).
pub fn client(id: impl Into<String>) -> Requirement {
    Requirement::of(Rule::Client(id.into()))
}

/// The token comes from this one of the trusted issuers.
pub fn issued_by(issuer: impl Into<String>) -> Requirement {
    Requirement::of(Rule::IssuedBy(issuer.into()))
}

/// The caller's tenant equals the path parameter of this name.
pub fn tenant_in_path(parameter: impl Into<String>) -> Requirement {
    Requirement::of(Rule::TenantInPath(parameter.into()))
}

/// The subject authenticated (`auth_time`) at most this long ago; else a step-up challenge (RFC 9470).
pub fn authenticated_within(age: Duration) -> Requirement {
    Requirement::of(Rule::AuthenticatedWithin(age))
}

/// One of `alternatives` suffices. Of none, nothing does.
pub fn any_of(alternatives: impl IntoIterator<Item = Requirement>) -> Requirement {
    Requirement::of(Rule::Any(alternatives.into_iter().collect()))
}

impl Requirement {
    fn of(rule: Rule) -> Self {
        Requirement(Arc::new(rule))
    }

    /// Both must be met.
    pub fn and(self, other: Requirement) -> Self {
        let mut all = match &*self.0 {
            Rule::All(all) => all.clone(),
            _ => vec![self],
        };
        all.push(other);
        Requirement::of(Rule::All(all))
    }

    /// One of the two must be met.
    pub fn or(self, other: Requirement) -> Self {
        let mut any = match &*self.0 {
            Rule::Any(any) => any.clone(),
            _ => vec![self],
        };
        any.push(other);
        Requirement::of(Rule::Any(any))
    }

    /// It must not be met. Refusals of a negation say nothing about what would help.
    #[allow(clippy::should_implement_trait, reason = "reads as `.and` and `.or` do")]
    pub fn not(self) -> Self {
        Requirement::of(Rule::Not(self))
    }

    /// Judges the requirement.
    pub fn check(&self, facts: &Facts<'_>) -> Decision {
        let forbidden = Decision::Denied(Denial::Forbidden);
        let allowed_if = |met: bool, denial: Denial| if met { Decision::Allowed } else { Decision::Denied(denial) };
        let Facts { grants, .. } = facts;
        match &*self.0 {
            Rule::Scope(name) => allowed_if(grants.scopes.contains(name.as_str()), Denial::Scopes(vec![name.clone()])),
            Rule::Role(name) => allowed_if(grants.roles.contains(name.as_str()), Denial::Forbidden),
            Rule::Permission(name) => allowed_if(grants.permissions.contains(name.as_str()), Denial::Forbidden),
            Rule::Subject(name) => allowed_if(!name.is_empty() && facts.subject == name, Denial::Forbidden),
            Rule::Client(id) => {
                let speaks_for_itself = facts.subject == facts.client;
                allowed_if(!id.is_empty() && facts.client == id && speaks_for_itself, Denial::Forbidden)
            }
            Rule::IssuedBy(issuer) => allowed_if(facts.issuer == issuer, Denial::Forbidden),
            Rule::TenantInPath(parameter) => {
                let wanted = (facts.path)(parameter);
                let same = wanted.zip(grants.tenant.as_ref()).is_some_and(|(wanted, tenant)| wanted == tenant.as_str());
                allowed_if(same, Denial::Forbidden)
            }
            Rule::AuthenticatedWithin(age) => {
                let recent = grants.authenticated_at.is_some_and(|at| facts.now <= at.saturating_add(*age));
                allowed_if(recent, Denial::StepUp { max_age: *age })
            }
            Rule::All(all) => self.check_all(all, facts),
            Rule::Any(any) => any.iter().fold(forbidden, |decision, next| decision.or(|| next.check(facts))),
            Rule::Not(inner) => allowed_if(!inner.check(facts).is_allowed(), Denial::Forbidden),
        }
    }

    /// All parts; where only scopes are missing, the answer names every scope asked for, held ones too (S5.04).
    fn check_all(&self, all: &[Requirement], facts: &Facts<'_>) -> Decision {
        let decision = all.iter().fold(Decision::Allowed, |decision, next| decision.and(next.check(facts)));
        match decision {
            Decision::Denied(Denial::Scopes(missing)) => {
                let mut needed: Vec<String> = self.plain_scopes().map(str::to_owned).collect();
                needed.extend(missing.into_iter().filter(|scope| !needed.contains(scope)).collect::<Vec<_>>());
                Decision::Denied(Denial::Scopes(needed))
            }
            decision => decision,
        }
    }

    /// Scopes that this requirement asks for whatever else is met.
    fn plain_scopes(&self) -> impl Iterator<Item = &str> {
        let parts = match &*self.0 {
            Rule::All(all) => all.as_slice(),
            _ => std::slice::from_ref(self),
        };
        parts.iter().filter_map(|part| match &*part.0 {
            Rule::Scope(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether judging needs parameters of the request's path.
    #[must_use]
    pub fn needs_path(&self) -> bool {
        match &*self.0 {
            Rule::TenantInPath(_) => true,
            Rule::All(parts) | Rule::Any(parts) => parts.iter().any(Requirement::needs_path),
            Rule::Not(inner) => inner.needs_path(),
            _ => false,
        }
    }

    fn join(f: &mut fmt::Formatter<'_>, parts: &[Requirement], word: &str) -> fmt::Result {
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                write!(f, " {word} ")?;
            }
            match &*part.0 {
                Rule::All(_) | Rule::Any(_) => write!(f, "({part})")?,
                _ => write!(f, "{part}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Rule::Scope(name) => write!(f, "scope {name}"),
            Rule::Role(name) => write!(f, "role {name}"),
            Rule::Permission(name) => write!(f, "permission {name}"),
            Rule::Subject(name) => write!(f, "subject {name}"),
            Rule::Client(id) => write!(f, "client {id}"),
            Rule::IssuedBy(issuer) => write!(f, "issued by {issuer}"),
            Rule::TenantInPath(parameter) => write!(f, "tenant as in the path's {{{parameter}}}"),
            Rule::AuthenticatedWithin(age) => write!(f, "authenticated within {} s", age.as_secs()),
            Rule::All(parts) if parts.is_empty() => f.write_str("anyone authenticated"),
            Rule::Any(parts) if parts.is_empty() => f.write_str("nobody"),
            Rule::All(parts) => Self::join(f, parts, "and"),
            Rule::Any(parts) => Self::join(f, parts, "or"),
            Rule::Not(inner) => write!(f, "not ({inner})"),
        }
    }
}

impl fmt::Debug for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Requirement({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::TenantId;

    fn grants() -> Grants {
        Grants {
            scopes: ["read", "write"].into(),
            roles: ["clerk"].into(),
            tenant: TenantId::new("acme").ok(),
            authenticated_at: Some(UnixTime::from_secs(1_000)),
            ..Grants::default()
        }
    }

    fn check(requirement: &Requirement) -> Decision {
        let path = |name: &str| (name == "tenant").then(|| "acme".to_owned());
        let facts = Facts {
            grants: &grants(),
            subject: "u1",
            client: "c1",
            issuer: "https://issuer.test",
            now: UnixTime::from_secs(1_300),
            path: &path,
        };
        requirement.check(&facts)
    }

    #[test]
    fn s3_22_scopes_match_whole_and_by_case() {
        assert!(check(&scope("read")).is_allowed());
        for near in ["reads", "READ", "read,write", "xread", ""] {
            assert_eq!(check(&scope(near)), Decision::Denied(Denial::Scopes(vec![near.into()])), "{near}");
        }
    }

    #[test]
    fn s5_04_s5_05_a_denial_says_what_would_help() {
        let two = scope("admin").and(scope("write"));
        assert_eq!(check(&two), Decision::Denied(Denial::Scopes(vec!["admin".into(), "write".into()])));
        assert_eq!(check(&role("admin")), Decision::Denied(Denial::Forbidden));
        assert_eq!(check(&role("admin").and(scope("admin"))), Decision::Denied(Denial::Forbidden));
        assert_eq!(check(&role("admin").or(scope("admin"))), Decision::Denied(Denial::Scopes(vec!["admin".into()])));
    }

    #[test]
    fn s5_16_age_of_the_login_is_counted() {
        assert!(check(&authenticated_within(Duration::from_secs(300))).is_allowed());
        let stale = Duration::from_secs(299);
        assert_eq!(check(&authenticated_within(stale)), Decision::Denied(Denial::StepUp { max_age: stale }));
    }

    #[test]
    fn s5_26_truth_tables() {
        let (yes, no) = (scope("read"), scope("other"));
        for (a, a_met) in [(&yes, true), (&no, false)] {
            assert_eq!(check(&a.clone().not()).is_allowed(), !a_met);
            for (b, b_met) in [(&yes, true), (&no, false)] {
                assert_eq!(check(&a.clone().and(b.clone())).is_allowed(), a_met && b_met);
                assert_eq!(check(&a.clone().or(b.clone())).is_allowed(), a_met || b_met);
            }
        }
        assert!(!check(&any_of([])).is_allowed());
    }

    #[test]
    fn s3_21_a_user_named_like_a_client_is_not_that_client() {
        assert!(!check(&client("c1")).is_allowed());
        assert!(!check(&client("u1")).is_allowed());
        assert!(check(&subject("u1")).is_allowed());
        assert!(!check(&subject("")).is_allowed());
    }

    #[test]
    fn the_tenant_must_be_the_one_in_the_path() {
        assert!(check(&tenant_in_path("tenant")).is_allowed());
        assert_eq!(check(&tenant_in_path("org")), Decision::Denied(Denial::Forbidden));
    }
}
