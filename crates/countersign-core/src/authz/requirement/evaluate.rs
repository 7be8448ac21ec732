//! The decision: a requirement evaluated over the facts of one request.

use super::condition::Condition;
use super::facts::{Facts, Unknown};
use super::rule::{Part, Requirement, Rule};
use super::verdict::Verdict;
use crate::authz::{Decision, Denial};

impl Requirement {
    /// Decides whether these facts meet the requirement.
    pub fn check(&self, facts: &Facts<'_>) -> Decision {
        match self.evaluate(facts).decide() {
            Decision::Allowed if !self.is_sound() => Decision::Denied(Denial::Forbidden),
            decision => decision,
        }
    }

    fn evaluate(&self, facts: &Facts<'_>) -> Verdict {
        let rule = match self.part() {
            Part::Condition(condition) => return evaluate_condition(condition, facts),
            Part::Combined(rule) => rule,
        };
        match rule {
            faulty if faulty.fault().is_some() => Verdict::Unknown(Denial::Forbidden, Unknown::NotInToken),
            Rule::AtLeast(count, parts) => count_met(*count, parts, facts),
            // A demand for an issuer tells whose names its neighbours mean.
            Rule::All(all) => match all.iter().find_map(Requirement::issuer) {
                Some(issuer) => all_met(all, &Facts { issuer_in_force: Some(issuer), ..*facts }),
                None => all_met(all, facts),
            },
            Rule::Any(any) => any.iter().fold(Verdict::Neutral, |verdict, next| verdict.or(|| next.evaluate(facts))),
            Rule::Not(inner) => inner.evaluate(facts).not(),
            Rule::Hidden(inner) => inner.evaluate(facts).hidden(),
            Rule::InTransaction(inner) => match facts.of_transaction() {
                Some(facts) => inner.evaluate(&facts).of_transaction(),
                None if inner.is_shadow() => {
                    inner.count_unmet_in_shadow();
                    Verdict::Neutral
                }
                None => Verdict::Unknown(Denial::Forbidden, Unknown::NoTransaction),
            },
            Rule::Shadow(inner, counts) => {
                let is_unmet = inner.evaluate(facts).is_denied();
                counts.count(!is_unmet);
                if is_unmet {
                    (facts.context.on_shadow)(inner);
                }
                Verdict::Neutral
            }
        }
    }

    fn is_shadowed(&self) -> bool {
        matches!(self.part(), Part::Combined(Rule::Shadow(..)))
    }
}

fn evaluate_condition(condition: &dyn Condition, facts: &Facts<'_>) -> Verdict {
    let verdict = condition.evaluate(facts);
    if let Verdict::Unknown(_, reason) = verdict {
        (facts.context.on_unknown)(&condition, reason);
    }
    verdict
}

/// All parts. If only scopes are missing, the answer names every scope required, granted ones too. So with logins: a new
/// login must not be weaker than another part requires.
///
/// Parts in shadow mode come last and only if the rest is met: callers that are refused anyway do not count.
fn all_met(all: &[Requirement], facts: &Facts<'_>) -> Verdict {
    let in_force = all.iter().filter(|part| !part.is_shadowed());
    let verdict = in_force.fold(Verdict::Neutral, |verdict, part| verdict.and(part.evaluate(facts)));
    match verdict {
        Verdict::Unmet(Denial::Scopes(missing)) => {
            let mut required: Vec<String> = Vec::new();
            for scope in all.iter().flat_map(Requirement::required_scopes) {
                if !required.iter().any(|named| named == scope) {
                    required.push(scope.to_owned());
                }
            }
            required.extend(missing.into_iter().filter(|scope| !required.contains(scope)).collect::<Vec<_>>());
            Verdict::Unmet(Denial::Scopes(required))
        }
        Verdict::Unmet(login @ Denial::StepUp { .. }) => {
            Verdict::Unmet(all.iter().filter_map(Requirement::login).fold(login, Denial::stricter))
        }
        Verdict::Unknown(login @ Denial::StepUp { .. }, reason) => {
            Verdict::Unknown(all.iter().filter_map(Requirement::login).fold(login, Denial::stricter), reason)
        }
        verdict if verdict.is_denied() => verdict,
        verdict => all.iter().filter(|part| part.is_shadowed()).fold(verdict, |verdict, part| {
            part.evaluate(facts);
            verdict
        }),
    }
}

/// At least `count` parts. If scopes suffice, the answer names the first ones missing.
fn count_met(count: usize, parts: &[Requirement], facts: &Facts<'_>) -> Verdict {
    let (mut met, mut unknown, mut neutral) = (0, 0, 0);
    let mut missing: Vec<Vec<String>> = Vec::new();
    let (mut denial, mut reason) = (Denial::Forbidden, Unknown::NotInToken);
    for part in parts {
        match part.evaluate(facts) {
            Verdict::Met => met += 1,
            Verdict::Neutral => neutral += 1,
            Verdict::Unmet(Denial::Scopes(scopes)) => missing.push(scopes),
            Verdict::Unmet(other) => denial = denial.easier(other),
            Verdict::Unknown(other, why) => {
                unknown += 1;
                reason = why;
                denial = denial.easier(other);
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
        Some(required) => Denial::Scopes(required.concat()),
        None if denial == Denial::NotFound => denial,
        None => Denial::Forbidden,
    };
    // Without its parts in shadow mode, such a rule would be a fault, which is never met and nor is its negation.
    let has_too_few = count > parts.len() - neutral;
    if short <= unknown || has_too_few { Verdict::Unknown(denial, reason) } else { Verdict::Unmet(denial) }
}
