//! The requirements that there are.

use std::time::Duration;

use serde_json::Value;

use super::judge::OwnRule;
use super::place::TenantPlace;
use super::rule::{Requirement, Rule};
use crate::claims::FromClaims;
use crate::error::ConfigError;

/// Any caller whose token was verified, whatever it says.
///
/// ```
/// assert_eq!(countersign_core::authz::any_authenticated().to_string(), "anyone authenticated");
/// ```
pub fn any_authenticated() -> Requirement {
    Requirement::of(Rule::Authenticated)
}

/// The token has this scope. A refusal names it: 403 `insufficient_scope` (RFC 6750 §3.1).
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

/// The caller is of this group, as the issuer's mapping reads groups
/// ([`groups_at`](crate::authz::Authorities::groups_at)).
pub fn group(name: impl Into<String>) -> Requirement {
    Requirement::of(Rule::Group(name.into()))
}

/// The token is about this subject of whatever trusted issuer; combine it with [`issued_by`] where there are several.
pub fn subject(name: impl Into<String>) -> Requirement {
    Requirement::of(Rule::Subject(name.into()))
}

/// The caller is this subject of this issuer: for a check on a thing that belongs to somebody.
///
/// It prints as "the owner": whose thing it is would be personal.
///
/// ```
/// use countersign_core::authz::{owner, role};
///
/// let may_close = owner("https://id.example.com", "ann").or(role("admin"));
/// assert_eq!(may_close.to_string(), "the owner or role admin");
/// ```
pub fn owner(issuer: impl Into<String>, subject: impl Into<String>) -> Requirement {
    Requirement::of(Rule::Owner { issuer: issuer.into(), subject: subject.into() })
}

/// The token was issued to this client, and speaks for the client itself, not for a user of the same name (S3.21).
pub fn client(id: impl Into<String>) -> Requirement {
    Requirement::of(Rule::Client(id.into()))
}

/// The token comes from this one of the trusted issuers.
pub fn issued_by(issuer: impl Into<String>) -> Requirement {
    Requirement::of(Rule::IssuedBy(issuer.into()))
}

/// The claim at `path` is exactly `value`, type and all; a list is not searched.
///
/// `path` is a JSON pointer (RFC 6901) or, without a slash at its start, the name of a top-level claim. For members of
/// lists there are [`role`], [`permission`] and [`group`], read from any path.
///
/// ```
/// use countersign_core::authz::claim;
///
/// assert_eq!(claim("plan", "gold").to_string(), "claim /plan is \"gold\"");
/// assert_eq!(claim("/org/verified", true).to_string(), "claim /org/verified is true");
/// ```
pub fn claim(path: impl AsRef<str>, value: impl Into<Value>) -> Requirement {
    let path = path.as_ref();
    let pointer = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/{}", path.replace('~', "~0").replace('/', "~1")),
    };
    Requirement::of(Rule::Claim { pointer, value: value.into() })
}

/// The caller's own claims, as the type `C`, meet a condition; `words` say which, in logs and tables.
///
/// A token whose claims are no `C` is refused with the code `claims_schema`, and so is the negation.
///
/// ```
/// use countersign_core::authz::claims_where;
///
/// #[derive(serde::Deserialize)]
/// struct OrderClaims {
///     plan: String,
/// }
///
/// let paying = claims_where("a paying plan", |claims: &OrderClaims| claims.plan != "free");
/// assert_eq!(paying.not().to_string(), "not (a paying plan)");
/// ```
pub fn claims_where<C: FromClaims>(
    words: impl Into<String>,
    holds: impl Fn(&C) -> bool + Send + Sync + 'static,
) -> Requirement {
    Requirement::of(Rule::Own(OwnRule::new(words.into(), holds)))
}

/// The caller's tenant equals the path parameter of this name.
pub fn tenant_in_path(parameter: impl Into<String>) -> Requirement {
    Requirement::of(Rule::Tenant(TenantPlace::Path(parameter.into())))
}

/// The caller's tenant equals the header of this name, which must be there exactly once.
///
/// ```
/// assert_eq!(countersign_core::authz::tenant_in_header("x-tenant").to_string(), "tenant as in the header x-tenant");
/// ```
pub fn tenant_in_header(name: impl Into<String>) -> Requirement {
    Requirement::of(Rule::Tenant(TenantPlace::Header(name.into())))
}

/// The caller's tenant equals the label before `domain` in the host that the request names: `acme` of
/// `acme.example.com` for `example.com`.
///
/// Host names have no case, so a tenant with capitals is never met. Headers of proxies (`X-Forwarded-Host`) are not read.
///
/// ```
/// let requirement = countersign_core::authz::tenant_in_host("example.com");
/// assert_eq!(requirement.to_string(), "tenant as in the host under example.com");
/// ```
pub fn tenant_in_host(domain: impl Into<String>) -> Requirement {
    Requirement::of(Rule::Tenant(TenantPlace::HostUnder(domain.into())))
}

/// The subject authenticated at most `age` ago (`auth_time`); else a step-up challenge with `max_age` (RFC 9470 §3).
///
/// A client's own token (subject and client are the same) never meets it: nobody logged in.
pub fn authenticated_within(age: Duration) -> Requirement {
    Requirement::of(Rule::AuthenticatedWithin(age))
}

/// The subject authenticated in one of these ways (`acr`); else a step-up challenge names them (RFC 9470 §3).
pub fn acr(values: impl IntoIterator<Item = impl Into<String>>) -> Requirement {
    Requirement::of(Rule::AuthenticatedAs(values.into_iter().map(Into::into).collect()))
}

/// The subject authenticated by this method among others (`amr`, RFC 8176): `mfa`, `hwk`, `pin`.
///
/// Else a step-up challenge, which cannot name the method; join it with [`acr`] where the issuer knows one for it.
///
/// ```
/// use countersign_core::authz::{acr, amr};
///
/// assert_eq!(acr(["gold"]).and(amr("hwk")).to_string(), "acr gold and authenticated by hwk");
/// ```
pub fn amr(method: impl Into<String>) -> Requirement {
    Requirement::of(Rule::AuthenticatedBy(method.into()))
}

/// This service acts for the subject, as the outermost actor; those it acted for before do not count (S3.29).
pub fn actor(subject: impl Into<String>) -> Requirement {
    Requirement::of(Rule::Actor(subject.into()))
}

/// Every one of `parts` must be met.
///
/// ```
/// use countersign_core::authz::{all_of, role, scope};
///
/// assert_eq!(all_of([scope("read"), role("admin")])?.to_string(), "scope read and role admin");
/// assert!(all_of([]).is_err());
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
///
/// # Errors
/// `ConfigError` on field `all_of` where there is none; say [`any_authenticated`] where that is meant (S5.26).
pub fn all_of(parts: impl IntoIterator<Item = Requirement>) -> Result<Requirement, ConfigError> {
    let parts = some("all_of", "no part is named, so that anybody would pass; any_authenticated() says so", parts)?;
    Ok(Requirement::of(Rule::All(parts)))
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
    let alternatives = some("any_of", "no alternative is named, so that nobody could ever pass", alternatives)?;
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
        return Err(ConfigError::new(
            "at_least",
            format!("{count} is not within 1 to the {} parts named", parts.len()),
        ));
    }
    Ok(Requirement::of(Rule::AtLeast(count, parts)))
}

fn some(
    field: &str,
    problem: &'static str,
    parts: impl IntoIterator<Item = Requirement>,
) -> Result<Vec<Requirement>, ConfigError> {
    let parts: Vec<Requirement> = parts.into_iter().collect();
    if parts.is_empty() { Err(ConfigError::new(field, problem)) } else { Ok(parts) }
}
