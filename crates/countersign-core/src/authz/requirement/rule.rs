//! The value itself, its combinators, and what it can be asked without a request.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::condition::Condition;
use super::shadow::{ShadowCounts, ShadowStats};
use crate::authz::Denial;
use crate::error::{ConfigError, Fault};

/// A condition on the caller.
///
/// One value serves as a guard on a route, as an extractor's requirement, and as a check inside a handler. Its `Display`
/// is the text that logs, errors and tables show.
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
///
/// # Data form
///
/// `Serialize` and `Deserialize` write and read a requirement as data: an object with one member, named like the function
/// that makes the requirement.
///
/// | data | made by |
/// |---|---|
/// | `{"any_authenticated":{}}` | [`any_authenticated`](super::any_authenticated) |
/// | `{"scope":"orders:read"}`, and alike `role`, `permission`, `group` | [`scope`](super::scope), … |
/// | `{"subject":"ann"}`, and alike `client`, `issued_by`, `actor` | [`subject`](super::subject), … |
/// | `{"owner":{"issuer":"https://id.example.com","subject":"ann"}}` | [`owner`](super::owner) |
/// | `{"claim":{"path":"/plan","value":"gold"}}` | [`claim`](super::claim) |
/// | `{"tenant_in_path":"tenant"}`, and alike `tenant_in_header`, `tenant_in_host` | [`tenant_in_path`](super::tenant_in_path), … |
/// | `{"authenticated_within":{"seconds":900}}` (`nanoseconds` is optional) | [`authenticated_within`](super::authenticated_within) |
/// | `{"acr":["gold","silver"]}`, `{"amr":"mfa"}` | [`acr`](super::acr), [`amr`](super::amr) |
/// | `{"proof_of_possession":{}}` | [`proof_of_possession`](super::proof_of_possession) |
/// | `{"token_kind":"signed"}` | [`token_kind`](super::token_kind) |
/// | `{"transaction":{}}`, `{"in_transaction":…}` | [`transaction`](super::transaction), [`in_transaction`](super::in_transaction) |
/// | `{"all_of":[…]}`, `{"any_of":[…]}` | [`all_of`](super::all_of) and [`and`](Self::and), [`any_of`](super::any_of) and [`or`](Self::or) |
/// | `{"at_least":{"count":2,"of":[…]}}` | [`at_least`](super::at_least) |
/// | `{"not":…}`, `{"hidden":…}`, `{"shadowed":…}` | [`not`](Self::not), [`hidden`](Self::hidden), [`shadowed`](Self::shadowed) |
/// | `{"claims_where":"a golden plan"}` | [`claims_where`](super::claims_where); written, but only code can make it |
///
/// Reading refuses unknown members, duplicate members, [faults](Self::check_config), more than 32 levels and more than
/// 1,024 parts. What was read equals what was written.
///
/// ```
/// use countersign_core::authz::{Requirement, RequirementErrorKind, role, scope};
///
/// let requirement = scope("orders:write").and(role("clerk").or(role("manager")));
/// let json = r#"{"all_of":[{"scope":"orders:write"},{"any_of":[{"role":"clerk"},{"role":"manager"}]}]}"#;
/// assert_eq!(requirement.to_json(), json);
/// assert_eq!(Requirement::from_json(json)?, requirement);
/// let unknown = Requirement::from_json(r#"{"scoop":"orders:write"}"#);
/// assert_eq!(unknown.unwrap_err().kind(), RequirementErrorKind::UnknownKind);
/// # Ok::<(), countersign_core::authz::RequirementError>(())
/// ```
#[derive(Clone)]
#[must_use = "a requirement guards nothing until it is given to `require`"]
pub struct Requirement(Node);

#[derive(Clone)]
enum Node {
    Condition(Arc<dyn Condition>),
    Combined(Arc<Combined>),
}

struct Combined {
    rule: Rule,
    is_sound: bool,
}

/// The combinations of requirements.
#[derive(PartialEq, Eq)]
pub(super) enum Rule {
    AtLeast(usize, Vec<Requirement>),
    All(Vec<Requirement>),
    Any(Vec<Requirement>),
    Not(Requirement),
    Hidden(Requirement),
    InTransaction(Requirement),
    Shadow(Requirement, Box<ShadowCounts>),
}

/// A requirement from inside: one condition, or a combination.
pub(super) enum Part<'r> {
    Condition(&'r dyn Condition),
    Combined(&'r Rule),
}

impl Rule {
    /// The fault of this rule itself, whatever its parts are.
    pub(super) fn fault(&self) -> Option<Fault> {
        match self {
            Rule::All(parts) if parts.is_empty() => Some(Fault::new(
                "all_of",
                "no requirement is named; name one, or use any_authenticated() to let every caller pass",
            )),
            Rule::Any(parts) if parts.is_empty() => {
                Some(Fault::new("any_of", "no alternative is named, so nobody could ever pass; name one"))
            }
            Rule::AtLeast(count, parts) if !(1..=parts.len()).contains(count) => {
                Some(Fault::new("at_least", format!("{count} is not within 1 to the {} parts named", parts.len())))
            }
            _ => None,
        }
    }

    pub(super) fn parts(&self) -> &[Requirement] {
        match self {
            Rule::All(parts) | Rule::Any(parts) | Rule::AtLeast(_, parts) => parts,
            Rule::Not(inner) | Rule::Hidden(inner) | Rule::InTransaction(inner) | Rule::Shadow(inner, _) => {
                std::slice::from_ref(inner)
            }
        }
    }
}

impl Requirement {
    pub(super) fn from_condition(condition: impl Condition + 'static) -> Self {
        Requirement(Node::Condition(Arc::new(condition)))
    }

    pub(super) fn from_rule(rule: Rule) -> Self {
        let are_parts_sound = matches!(rule, Rule::Shadow(..)) || rule.parts().iter().all(Requirement::is_sound);
        let is_sound = are_parts_sound && rule.fault().is_none();
        Requirement(Node::Combined(Arc::new(Combined { rule, is_sound })))
    }

    pub(super) fn part(&self) -> Part<'_> {
        match &self.0 {
            Node::Condition(condition) => Part::Condition(&**condition),
            Node::Combined(combined) => Part::Combined(&combined.rule),
        }
    }

    /// Checks that no part in force has a fault.
    pub(super) fn is_sound(&self) -> bool {
        match &self.0 {
            Node::Condition(_) => true,
            Node::Combined(combined) => combined.is_sound,
        }
    }

    fn rule(&self) -> Option<&Rule> {
        match self.part() {
            Part::Combined(rule) => Some(rule),
            Part::Condition(_) => None,
        }
    }

    fn condition(&self) -> Option<&dyn Condition> {
        match self.part() {
            Part::Condition(condition) => Some(condition),
            Part::Combined(_) => None,
        }
    }

    /// Both must be met.
    ///
    /// ```
    /// use countersign_core::authz::{role, scope};
    ///
    /// assert_eq!(scope("read").and(role("clerk")).to_string(), "scope read and role clerk");
    /// ```
    pub fn and(self, other: Requirement) -> Self {
        let mut all = match self.rule() {
            Some(Rule::All(all)) if !all.is_empty() => all.clone(),
            _ => vec![self],
        };
        all.push(other);
        Requirement::from_rule(Rule::All(all))
    }

    /// One of the two must be met.
    ///
    /// ```
    /// use countersign_core::authz::{role, scope};
    ///
    /// assert_eq!(scope("read").or(role("clerk")).to_string(), "scope read or role clerk");
    /// ```
    pub fn or(self, other: Requirement) -> Self {
        let mut any = match self.rule() {
            Some(Rule::Any(any)) if !any.is_empty() => any.clone(),
            _ => vec![self],
        };
        any.push(other);
        Requirement::from_rule(Rule::Any(any))
    }

    /// It must not be met. Refusals of a negation do not tell what would help.
    ///
    /// If it cannot be evaluated (a claim that is elsewhere or of another type, a path without the named parameter), its
    /// negation refuses too. An absent list of roles, groups, permissions or scopes is an empty one.
    #[allow(clippy::should_implement_trait, reason = "reads as `.and` and `.or` do")]
    pub fn not(self) -> Self {
        Requirement::from_rule(Rule::Not(self))
    }

    /// Answers 404 to callers that do not meet it, as if the resource did not exist. Default: 403, or 401 for a step-up.
    ///
    /// ```
    /// use countersign_core::authz::{scope, tenant_in_path};
    ///
    /// // Another tenant's orders are not found; the caller's own, without the scope, are refused with what would help.
    /// let requirement = tenant_in_path("tenant").hidden().and(scope("orders:read"));
    /// assert_eq!(requirement.to_string(), "tenant as in the path's {tenant} (else 404) and scope orders:read");
    /// ```
    pub fn hidden(self) -> Self {
        Requirement::from_rule(Rule::Hidden(self))
    }

    /// Shadow mode: the requirement is evaluated, counted and logged, but decides nothing.
    ///
    /// Use it to tighten a rule without an outage: add the new part in shadow mode, see which callers it would refuse, then
    /// remove `.shadowed()`. A requirement decides as if its shadowed parts were not in it, wherever they are: beside `and`
    /// they refuse nobody, beside `or` they let nobody in. If too few parts of an [`at_least`](super::at_least) are left, nobody
    /// meets it, nor its negation.
    ///
    /// ```
    /// use countersign_core::authz::{role, scope};
    ///
    /// let requirement = scope("orders:write").and(role("manager").shadowed());
    /// assert_eq!(requirement.to_string(), "scope orders:write and shadow (role manager)");
    /// assert_eq!(requirement.shadows().next().unwrap().1.unmet, 0);
    /// ```
    pub fn shadowed(self) -> Self {
        Requirement::from_rule(Rule::Shadow(self, Box::default()))
    }

    /// Returns whether it decides nothing, because all of it is in shadow mode.
    #[must_use]
    pub fn is_shadow(&self) -> bool {
        match self.rule() {
            None => false,
            Some(Rule::Shadow(..)) => true,
            Some(rule) => rule.fault().is_none() && rule.parts().iter().all(Requirement::is_shadow),
        }
    }

    /// The parts in shadow mode with their counts so far; clones of this requirement count together.
    pub fn shadows(&self) -> impl Iterator<Item = (&Requirement, ShadowStats)> {
        self.all_parts().filter_map(|part| match part.rule() {
            Some(Rule::Shadow(inner, counts)) => Some((inner, counts.stats())),
            _ => None,
        })
    }

    /// Checks that every combination has enough parts.
    ///
    /// A requirement with a fault in a part that is in force is never met, nor is its negation. Guards log the fault when
    /// they are built.
    ///
    /// ```
    /// use countersign_core::authz::{any_of, role};
    ///
    /// assert!(any_of([role("a"), role("b")]).check_config().is_ok());
    /// assert!(any_of([]).check_config().is_err());
    /// ```
    ///
    /// # Errors
    /// `ConfigError` with every fault, on the fields `all_of`, `any_of` and `at_least`.
    pub fn check_config(&self) -> Result<(), ConfigError> {
        ConfigError::check(self.all_parts().filter_map(|part| part.rule()?.fault()).collect())
    }

    /// Scopes that every caller needs, whatever else is required: for route tables and API descriptions.
    ///
    /// ```
    /// use countersign_core::authz::{role, scope};
    ///
    /// let requirement = scope("orders:write").and(role("clerk").or(scope("orders:admin")));
    /// assert_eq!(requirement.required_scopes().collect::<Vec<_>>(), ["orders:write"]);
    /// ```
    pub fn required_scopes(&self) -> impl Iterator<Item = &str> {
        self.parts_within(|rule| matches!(rule, Rule::All(_))).filter_map(Requirement::scope)
    }

    /// The scope, if the requirement is one scope.
    pub(super) fn scope(&self) -> Option<&str> {
        self.condition()?.scope()
    }

    /// The issuer that the requirement demands, if it is one condition.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.condition()?.issuer()
    }

    /// The login that the requirement asks for, if it is one condition.
    pub(super) fn login(&self) -> Option<Denial> {
        self.condition()?.login()
    }

    /// Every scope in force that it names, each once, also if it is one of several alternatives: for the metadata of a resource.
    ///
    /// ```
    /// use countersign_core::authz::{role, scope};
    ///
    /// let requirement = scope("orders:write").and(role("clerk").or(scope("orders:admin")));
    /// assert_eq!(requirement.named_scopes(), ["orders:write", "orders:admin"]);
    /// ```
    #[must_use]
    pub fn named_scopes(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for part in self.parts_in_force() {
            names.extend(part.scope().filter(|name| !names.contains(name)).into_iter().collect::<Vec<_>>());
        }
        names
    }

    /// Counts one request as unmet in every part that is in shadow mode: for requests without a caller.
    pub fn count_unmet_in_shadow(&self) {
        self.all_parts().for_each(|part| {
            if let Some(Rule::Shadow(_, counts)) = part.rule() {
                counts.count(false);
            }
        });
    }

    /// The path parameters that the requirement reads; a route without one of them refuses every caller.
    pub fn path_parameters(&self) -> impl Iterator<Item = &str> {
        self.all_parts().filter_map(|part| part.condition()?.path_parameter())
    }

    /// Returns whether it may answer 404, because it or a part of it is [hidden](Self::hidden).
    ///
    /// Parts in shadow mode and negated parts do not count: they decide no answer of this kind.
    #[must_use]
    pub fn may_hide(&self) -> bool {
        self.parts_in_force().any(|part| matches!(part.rule(), Some(Rule::Hidden(_))))
    }

    /// Returns whether the requirement reads the request.
    ///
    /// Guards and extractors have the request; a check inside a handler does not.
    #[must_use]
    pub fn needs_request(&self) -> bool {
        self.all_parts().filter_map(Requirement::condition).any(Condition::needs_request)
    }

    /// Returns whether the requirement reads the transaction of the request.
    ///
    /// Guards and extractors that need one answer 500 behind a layer that takes no transaction tokens.
    #[must_use]
    pub fn needs_transaction(&self) -> bool {
        self.all_parts().any(|part| match part.part() {
            Part::Condition(condition) => condition.needs_transaction(),
            Part::Combined(rule) => matches!(rule, Rule::InTransaction(_)),
        })
    }

    /// Itself and everything in it, outer before inner.
    fn all_parts(&self) -> impl Iterator<Item = &Requirement> {
        self.parts_within(|_| true)
    }

    /// Itself and the parts whose own denial may become its denial: nothing negated, and nothing in shadow mode.
    fn parts_in_force(&self) -> impl Iterator<Item = &Requirement> {
        self.parts_within(|rule| !matches!(rule, Rule::Not(_) | Rule::Shadow(..)))
    }

    /// Itself and everything within the rules that `enters` selects, outer before inner.
    fn parts_within(&self, enters: impl Fn(&Rule) -> bool) -> impl Iterator<Item = &Requirement> {
        let mut open: SmallVec<[&Requirement; 8]> = smallvec![self];
        std::iter::from_fn(move || {
            let next = open.pop()?;
            open.extend(next.rule().filter(|rule| enters(rule)).into_iter().flat_map(Rule::parts).rev());
            Some(next)
        })
    }
}

/// Equal if they decide and print the same; the counts of shadow mode do not matter.
impl PartialEq for Requirement {
    fn eq(&self, other: &Self) -> bool {
        match (self.part(), other.part()) {
            (Part::Condition(one), Part::Condition(other)) => one.is_same(other),
            (Part::Combined(one), Part::Combined(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for Requirement {}
