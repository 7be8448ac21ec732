//! A rule as a value: built once, combined, printed, tested without HTTP.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::decision::{Decision, Denial};
use super::grants::Grants;
use crate::clock::UnixTime;
use crate::error::ConfigError;

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
    AuthenticatedAs(Vec<String>),
    Actor(String),
    AtLeast(usize, Vec<Requirement>),
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
    /// Who acts for the subject: the outermost `act.sub`, never an inner one (RFC 8693 §4.1).
    pub actor: Option<&'f str>,
    /// How the subject authenticated (`acr`).
    pub acr: Option<&'f str>,
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

/// The subject authenticated in one of these ways (`acr`), the preferred first; else a step-up challenge (RFC 9470).
///
/// ```
/// use countersign_core::authz::acr;
///
/// assert_eq!(acr(["gold", "platinum"]).to_string(), "acr gold or platinum");
/// ```
pub fn acr(values: impl IntoIterator<Item = impl Into<String>>) -> Requirement {
    Requirement::of(Rule::AuthenticatedAs(values.into_iter().map(Into::into).collect()))
}

/// This service acts for the subject, as the outermost actor; those it acted for before do not count (S3.29).
pub fn actor(subject: impl Into<String>) -> Requirement {
    Requirement::of(Rule::Actor(subject.into()))
}

/// One of `alternatives` suffices.
///
/// ```
/// use countersign_core::authz::{any_of, role, scope};
///
/// assert_eq!(any_of([scope("read"), role("admin")])?.to_string(), "scope read or role admin");
/// assert!(any_of([]).is_err());
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
///
/// # Errors
/// `ConfigError` on field `any_of` where there is none: nobody could ever pass (S5.26).
pub fn any_of(alternatives: impl IntoIterator<Item = Requirement>) -> Result<Requirement, ConfigError> {
    let alternatives: Vec<Requirement> = alternatives.into_iter().collect();
    if alternatives.is_empty() {
        return Err(ConfigError::one("any_of", "no alternative is named, so that nobody could ever pass"));
    }
    Ok(Requirement::of(Rule::Any(alternatives)))
}

/// At least `count` of `parts` must be met. Refusals name scopes where those alone would do.
///
/// ```
/// use countersign_core::authz::{at_least, role};
///
/// let two = at_least(2, [role("a"), role("b"), role("c")])?;
/// assert_eq!(two.to_string(), "at least 2 of (role a, role b, role c)");
/// assert!(at_least(0, [role("a")]).is_err());
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
///
/// # Errors
/// `ConfigError` on field `at_least` where `count` is 0 or more than there are parts.
pub fn at_least(count: usize, parts: impl IntoIterator<Item = Requirement>) -> Result<Requirement, ConfigError> {
    let parts: Vec<Requirement> = parts.into_iter().collect();
    if !(1..=parts.len()).contains(&count) {
        return Err(ConfigError::one(
            "at_least",
            format!("{count} is not within 1 to the {} parts named", parts.len()),
        ));
    }
    Ok(Requirement::of(Rule::AtLeast(count, parts)))
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
                allowed_if(recent, Denial::StepUp { max_age: Some(*age), acr_values: Vec::new() })
            }
            Rule::AuthenticatedAs(values) => {
                let known = facts.acr.is_some_and(|acr| values.iter().any(|value| value == acr));
                match values.is_empty() {
                    true => forbidden, // no login would help
                    false => allowed_if(known, Denial::StepUp { max_age: None, acr_values: values.clone() }),
                }
            }
            Rule::Actor(subject) => {
                allowed_if(!subject.is_empty() && facts.actor == Some(subject.as_str()), Denial::Forbidden)
            }
            Rule::AtLeast(count, parts) => Self::check_count(*count, parts, facts),
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

    /// So many parts; where scopes alone would do, the first ones missing are named.
    fn check_count(count: usize, parts: &[Requirement], facts: &Facts<'_>) -> Decision {
        let mut met = 0;
        let mut missing: Vec<Vec<String>> = Vec::new();
        for part in parts {
            match part.check(facts) {
                Decision::Allowed => met += 1,
                Decision::Denied(Denial::Scopes(scopes)) => missing.push(scopes),
                Decision::Denied(_) => {}
            }
        }
        if met >= count {
            return Decision::Allowed;
        }
        let short = count.saturating_sub(met);
        Decision::Denied(match missing.get(..short) {
            Some(needed) => Denial::Scopes(needed.concat()),
            None => Denial::Forbidden,
        })
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

    /// Scopes that every caller needs, whatever else is asked for: for route tables and API descriptions.
    ///
    /// ```
    /// use countersign_core::authz::{role, scope};
    ///
    /// let requirement = scope("orders:write").and(role("clerk").or(scope("orders:admin")));
    /// assert_eq!(requirement.needed_scopes().collect::<Vec<_>>(), ["orders:write"]);
    /// ```
    pub fn needed_scopes(&self) -> impl Iterator<Item = &str> {
        self.plain_scopes()
    }

    /// Whether judging needs parameters of the request's path.
    #[must_use]
    pub fn needs_path(&self) -> bool {
        match &*self.0 {
            Rule::TenantInPath(_) => true,
            Rule::All(parts) | Rule::Any(parts) | Rule::AtLeast(_, parts) => parts.iter().any(Requirement::needs_path),
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
            Rule::AuthenticatedAs(values) => write!(f, "acr {}", values.join(" or ")),
            Rule::Actor(subject) => write!(f, "actor {subject}"),
            Rule::AtLeast(count, parts) => {
                write!(f, "at least {count} of (")?;
                for (index, part) in parts.iter().enumerate() {
                    write!(f, "{}{part}", if index > 0 { ", " } else { "" })?;
                }
                f.write_str(")")
            }
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
            actor: Some("gateway"),
            acr: Some("silver"),
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
        assert_eq!(check(&authenticated_within(stale)), step_up(Some(stale), &[]));
    }

    fn step_up(max_age: Option<Duration>, acr_values: &[&str]) -> Decision {
        let acr_values = acr_values.iter().map(|value| (*value).to_owned()).collect();
        Decision::Denied(Denial::StepUp { max_age, acr_values })
    }

    #[test]
    fn s5_16_a_weak_login_is_asked_for_a_stronger_one() {
        assert!(check(&acr(["gold", "silver"])).is_allowed());
        assert_eq!(check(&acr(["gold", "platinum"])), step_up(None, &["gold", "platinum"]));
        let stale = Duration::from_secs(1);
        let both = acr(["gold"]).and(authenticated_within(stale));
        assert_eq!(check(&both), step_up(Some(stale), &["gold"]), "one challenge names both");
        let common = acr(["gold", "platinum"]).and(acr(["platinum", "iron"]));
        assert_eq!(check(&common), step_up(None, &["platinum"]), "what satisfies both");
        let never = acr(["gold"]).and(acr(["iron"]));
        assert_eq!(check(&never), Decision::Denied(Denial::Forbidden), "no login satisfies both");
    }

    #[test]
    fn s3_29_the_actor_is_the_one_named() {
        assert!(check(&actor("gateway")).is_allowed());
        for other in ["admin-svc", "", "Gateway"] {
            assert_eq!(check(&actor(other)), Decision::Denied(Denial::Forbidden), "{other}");
        }
    }

    #[test]
    fn s5_26_so_many_of_them() {
        let parts = || [scope("read"), scope("write"), scope("admin"), scope("audit")];
        for (count, met) in [(1, true), (2, true), (3, false), (4, false)] {
            assert_eq!(check(&at_least(count, parts()).expect("within")).is_allowed(), met, "{count}");
        }
        let three = at_least(3, parts()).expect("within");
        assert_eq!(check(&three), Decision::Denied(Denial::Scopes(vec!["admin".into()])));
        for impossible in [0, 5] {
            assert_eq!(at_least(impossible, parts()).expect_err("out of range").faults()[0].field, "at_least");
        }
        assert_eq!(any_of([]).expect_err("empty").faults()[0].field, "any_of");
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
