//! Judging: each rule over the facts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::facts::Facts;
use super::place::TenantPlace;
use super::rule::{Requirement, Rule};
use super::verdict::Verdict;
use crate::authz::{Decision, Denial};
use crate::claims::{FromClaims, TokenClaims};

/// How far ahead of our clock a login (`auth_time`) may lie; beyond that it is no time at all.
const LOGIN_AHEAD: Duration = Duration::from_secs(30);

impl Requirement {
    /// Judges the requirement.
    pub fn check(&self, facts: &Facts<'_>) -> Decision {
        self.judge(facts).decide()
    }

    fn judge(&self, facts: &Facts<'_>) -> Verdict {
        let forbidden_unless = |met: bool| Verdict::met_if(met, || Denial::Forbidden);
        let Facts { grants, context, .. } = facts;
        match &*self.0 {
            Rule::Authenticated => Verdict::Met,
            Rule::Scope(name) => Verdict::met_if(grants.scopes.contains(name), || Denial::Scopes(vec![name.clone()])),
            Rule::Role(name) => forbidden_unless(grants.roles.contains(name)),
            Rule::Permission(name) => forbidden_unless(grants.permissions.contains(name)),
            Rule::Group(name) => forbidden_unless(grants.groups.contains(name)),
            Rule::Subject(name) => forbidden_unless(!name.is_empty() && facts.subject == name),
            Rule::Owner { issuer, subject } => {
                forbidden_unless(!subject.is_empty() && facts.subject == subject && facts.issuer == issuer)
            }
            Rule::Client(id) => forbidden_unless(!id.is_empty() && facts.client == id && speaks_for_itself(facts)),
            Rule::IssuedBy(issuer) => forbidden_unless(facts.issuer == issuer),
            Rule::Claim { pointer, value } => match facts.claims.decode::<Value>() {
                Ok(claims) => forbidden_unless(claims.pointer(pointer) == Some(value)),
                Err(_) => Verdict::Unknown(Denial::ClaimsSchema),
            },
            Rule::Own(rule) => match (rule.judge)(&facts.claims) {
                Some(met) => forbidden_unless(met),
                None => Verdict::Unknown(Denial::ClaimsSchema),
            },
            Rule::Tenant(place) => judge_tenant(place, facts),
            Rule::AuthenticatedWithin(age) => {
                let now = context.now();
                let known = grants.authenticated_at.filter(|at| *at <= now.saturating_add(LOGIN_AHEAD));
                // A client's own token tells of no login, whatever time it carries (GHSA-hp74-gm6m-2qm5).
                let is_recent = known.is_some_and(|at| now <= at.saturating_add(*age)) && !speaks_for_itself(facts);
                Verdict::met_if(is_recent, || Denial::StepUp { max_age: Some(*age), acr_values: Vec::new() })
            }
            Rule::AuthenticatedAs(values) if values.is_empty() => Verdict::Unmet(Denial::Forbidden), // no login would help
            Rule::AuthenticatedAs(values) => {
                let is_known = facts.acr.is_some_and(|acr| values.iter().any(|value| value == acr));
                Verdict::met_if(is_known, || Denial::StepUp { max_age: None, acr_values: values.clone() })
            }
            Rule::AuthenticatedBy(method) => {
                let denial = || Denial::StepUp { max_age: None, acr_values: Vec::new() };
                Verdict::met_if(grants.methods.contains(method), denial)
            }
            Rule::Actor(subject) => forbidden_unless(!subject.is_empty() && facts.actor == Some(subject)),
            Rule::AtLeast(count, parts) => judge_count(*count, parts, facts),
            Rule::All(all) => judge_all(all, facts),
            Rule::Any(any) => judge_any(any, facts),
            Rule::Not(inner) => inner.judge(facts).not(),
            Rule::Hidden(inner) => inner.judge(facts).hidden(),
            Rule::Shadow(inner, counts) => {
                let is_unmet = inner.judge(facts).is_denied();
                counts.count(!is_unmet);
                if is_unmet {
                    (context.on_shadow)(inner);
                }
                Verdict::Neutral
            }
        }
    }

    fn is_shadowed(&self) -> bool {
        matches!(&*self.0, Rule::Shadow(..))
    }
}

/// Whether the token is the client's own, not a user's (RFC 9068 §5).
fn speaks_for_itself(facts: &Facts<'_>) -> bool {
    facts.subject == facts.client
}

/// A place that does not name any tenant leaves the question open, and open questions refuse.
fn judge_tenant(place: &TenantPlace, facts: &Facts<'_>) -> Verdict {
    let Some(tenant) = &facts.grants.tenant else { return Verdict::Unmet(Denial::Forbidden) };
    match place.names(tenant, facts.context.request) {
        Some(same) => Verdict::met_if(same, || Denial::Forbidden),
        None => Verdict::Unknown(Denial::Forbidden),
    }
}

/// All parts; where only scopes are missing, the answer names every scope asked for, held ones too (S5.04). So with logins:
/// a client that logs in afresh must not do so more weakly than another part asks.
///
/// Parts in shadow mode come last and only where the rest is met: who is refused anyway is no news.
fn judge_all(all: &[Requirement], facts: &Facts<'_>) -> Verdict {
    let in_force = all.iter().filter(|part| !part.is_shadowed());
    let verdict = in_force.fold(Verdict::Neutral, |verdict, part| verdict.and(part.judge(facts)));
    match verdict {
        Verdict::Unmet(Denial::Scopes(missing)) => {
            let mut needed: Vec<String> = plain_scopes(all).map(str::to_owned).collect();
            needed.extend(missing.into_iter().filter(|scope| !needed.contains(scope)).collect::<Vec<_>>());
            Verdict::Unmet(Denial::Scopes(needed))
        }
        Verdict::Unmet(login @ Denial::StepUp { .. }) => Verdict::Unmet(logins(all).fold(login, Denial::heavier)),
        verdict if verdict.is_denied() => verdict,
        verdict => all.iter().filter(|part| part.is_shadowed()).fold(verdict, |verdict, part| {
            part.judge(facts);
            verdict
        }),
    }
}

fn judge_any(any: &[Requirement], facts: &Facts<'_>) -> Verdict {
    match any.split_first() {
        None => Verdict::Unmet(Denial::Forbidden),
        Some((first, others)) => {
            others.iter().fold(first.judge(facts), |verdict, next| verdict.or(|| next.judge(facts)))
        }
    }
}

/// So many parts; where scopes alone would do, the first ones missing are named.
fn judge_count(count: usize, parts: &[Requirement], facts: &Facts<'_>) -> Verdict {
    let (mut met, mut unknown, mut neutral) = (0, 0, 0);
    let mut missing: Vec<Vec<String>> = Vec::new();
    let mut denial = Denial::Forbidden;
    for part in parts {
        match part.judge(facts) {
            Verdict::Met => met += 1,
            Verdict::Neutral => neutral += 1,
            Verdict::Unmet(Denial::Scopes(scopes)) => missing.push(scopes),
            Verdict::Unmet(other) => denial = denial.lighter(other),
            Verdict::Unknown(other) => {
                unknown += 1;
                denial = denial.lighter(other);
            }
        }
    }
    if met >= count {
        return Verdict::Met;
    }
    if neutral == parts.len() {
        return Verdict::Neutral;
    }
    let short = count.saturating_sub(met);
    let denial = match missing.get(..short) {
        Some(needed) => Denial::Scopes(needed.concat()),
        None if denial == Denial::NotFound => denial,
        None => Denial::Forbidden,
    };
    if short <= unknown { Verdict::Unknown(denial) } else { Verdict::Unmet(denial) }
}

/// Scopes that are asked for whatever else is met.
pub(super) fn plain_scopes(parts: &[Requirement]) -> impl Iterator<Item = &str> {
    parts.iter().filter_map(|part| match &*part.0 {
        Rule::Scope(name) => Some(name.as_str()),
        _ => None,
    })
}

/// What parts ask of a login, met or not.
fn logins(parts: &[Requirement]) -> impl Iterator<Item = Denial> {
    parts.iter().filter_map(|part| match &*part.0 {
        Rule::AuthenticatedWithin(age) => Some(Denial::StepUp { max_age: Some(*age), acr_values: Vec::new() }),
        Rule::AuthenticatedAs(values) => Some(Denial::StepUp { max_age: None, acr_values: values.clone() }),
        _ => None,
    })
}

/// A rule over the user's own claims type, and its words.
#[derive(Clone)]
pub(super) struct OwnRule {
    pub(super) words: String,
    judge: Arc<Judge>,
}

/// `None` where the claims are not of the type that the rule is about.
type Judge = dyn Fn(&TokenClaims<'_>) -> Option<bool> + Send + Sync;

impl OwnRule {
    pub(super) fn new<C: FromClaims>(words: String, holds: impl Fn(&C) -> bool + Send + Sync + 'static) -> Self {
        let judge = move |claims: &TokenClaims<'_>| claims.decode::<C>().ok().map(|own| holds(&own));
        OwnRule { words, judge: Arc::new(judge) }
    }
}

/// The same closure, not just the same words.
impl PartialEq for OwnRule {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.judge, &other.judge)
    }
}

impl Eq for OwnRule {}

impl fmt::Debug for OwnRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnRule").field(&self.words).finish()
    }
}
