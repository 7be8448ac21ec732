//! Requirements made of several others.

use super::rule::{Requirement, Rule};

/// Every one of `parts` must be met.
///
/// Without any part it is a [configuration fault](Requirement::check_config) and is never met; use
/// [`any_authenticated`](super::any_authenticated) to let every caller pass.
///
/// ```
/// use countersign_core::authz::{all_of, role, scope};
///
/// assert_eq!(all_of([scope("read"), role("admin")]).to_string(), "scope read and role admin");
/// assert!(all_of([]).check_config().is_err());
/// ```
pub fn all_of(parts: impl IntoIterator<Item = Requirement>) -> Requirement {
    Requirement::from_rule(Rule::All(parts.into_iter().collect()))
}

/// One of `alternatives` must be met.
///
/// Without any alternative it is a [configuration fault](Requirement::check_config) and is never met.
///
/// ```
/// use countersign_core::authz::{any_of, role, scope};
///
/// assert_eq!(any_of([scope("read"), role("admin")]).to_string(), "scope read or role admin");
/// assert!(any_of([]).check_config().is_err());
/// ```
pub fn any_of(alternatives: impl IntoIterator<Item = Requirement>) -> Requirement {
    Requirement::from_rule(Rule::Any(alternatives.into_iter().collect()))
}

/// At least `count` of `parts` must be met. Refusals name scopes if scopes suffice.
///
/// A `count` of 0, or above the number of parts, is a [configuration fault](Requirement::check_config) and is never met.
///
/// ```
/// use countersign_core::authz::{at_least, role};
///
/// let two = at_least(2, [role("a"), role("b"), role("c")]);
/// assert_eq!(two.to_string(), "at least 2 of (role a, role b, role c)");
/// assert!(at_least(0, [role("a")]).check_config().is_err());
/// ```
pub fn at_least(count: usize, parts: impl IntoIterator<Item = Requirement>) -> Requirement {
    Requirement::from_rule(Rule::AtLeast(count, parts.into_iter().collect()))
}
