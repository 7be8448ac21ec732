//! The value itself, and what it can be asked without judging it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use smallvec::{SmallVec, smallvec};

use super::judge::{OwnRule, plain_scopes};
use super::place::TenantPlace;
use super::shadow::{ShadowCounts, ShadowStats};

/// What a caller must have or be.
///
/// One value serves as a guard on a route, as an extractor's demand, and as a check inside a handler. It prints itself in
/// words, so that logs, errors and tables say the same thing.
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
pub struct Requirement(pub(super) Arc<Rule>);

#[derive(PartialEq, Eq)]
pub(super) enum Rule {
    Authenticated,
    Scope(String),
    Role(String),
    Permission(String),
    Group(String),
    Subject(String),
    Owner { issuer: String, subject: String },
    Client(String),
    IssuedBy(String),
    Claim { pointer: String, value: Value },
    Own(OwnRule),
    Tenant(TenantPlace),
    AuthenticatedWithin(Duration),
    AuthenticatedAs(Vec<String>),
    AuthenticatedBy(String),
    Actor(String),
    AtLeast(usize, Vec<Requirement>),
    All(Vec<Requirement>),
    Any(Vec<Requirement>),
    Not(Requirement),
    Hidden(Requirement),
    Shadow(Requirement, Box<ShadowCounts>),
}

impl Requirement {
    pub(super) fn of(rule: Rule) -> Self {
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
    ///
    /// What cannot be judged (claims of another form, a path without the parameter named) is refused here too.
    #[allow(clippy::should_implement_trait, reason = "reads as `.and` and `.or` do")]
    pub fn not(self) -> Self {
        Requirement::of(Rule::Not(self))
    }

    /// Whoever does not meet it is answered 404, as though there were nothing. Default: 403, or 401 for a step-up.
    ///
    /// ```
    /// use countersign_core::authz::{scope, tenant_in_path};
    ///
    /// // Another tenant's orders are not there; one's own, without the scope, are refused with what would help.
    /// let requirement = tenant_in_path("tenant").hidden().and(scope("orders:read"));
    /// assert_eq!(requirement.to_string(), "tenant as in the path's {tenant} (else 404) and scope orders:read");
    /// ```
    pub fn hidden(self) -> Self {
        Requirement::of(Rule::Hidden(self))
    }

    /// Shadow mode: it is judged, counted and logged, and decides nothing.
    ///
    /// For tightening a rule without an outage: add the new part in shadow mode, see whom it would refuse, then take the
    /// word away. A requirement decides as if its shadowed parts were not in it, wherever they stand: beside `and` they
    /// refuse nobody, beside `or` they let nobody in.
    ///
    /// ```
    /// use countersign_core::authz::{role, scope};
    ///
    /// let requirement = scope("orders:write").and(role("manager").shadowed());
    /// assert_eq!(requirement.to_string(), "scope orders:write and shadow (role manager)");
    /// assert_eq!(requirement.shadows().next().unwrap().1.unmet, 0);
    /// ```
    pub fn shadowed(self) -> Self {
        Requirement::of(Rule::Shadow(self, Box::default()))
    }

    /// Whether it decides nothing at all: the whole of it is in shadow mode.
    #[must_use]
    pub fn is_shadow(&self) -> bool {
        match &*self.0 {
            Rule::Shadow(..) => true,
            Rule::All(parts) | Rule::Any(parts) | Rule::AtLeast(_, parts) => parts.iter().all(Requirement::is_shadow),
            Rule::Not(inner) | Rule::Hidden(inner) => inner.is_shadow(),
            _ => false,
        }
    }

    /// The parts in shadow mode and how they would have decided so far, clones of this requirement included.
    pub fn shadows(&self) -> impl Iterator<Item = (&Requirement, ShadowStats)> {
        self.parts().filter_map(|part| match &*part.0 {
            Rule::Shadow(inner, counts) => Some((inner, counts.stats())),
            _ => None,
        })
    }

    /// Scopes that every caller needs, whatever else is asked for: for route tables and API descriptions.
    ///
    /// ```
    /// use countersign_core::authz::{role, scope};
    ///
    /// let requirement = scope("orders:write").and(role("clerk").or(scope("orders:admin")));
    /// assert_eq!(requirement.required_scopes().collect::<Vec<_>>(), ["orders:write"]);
    /// ```
    pub fn required_scopes(&self) -> impl Iterator<Item = &str> {
        let parts = match &*self.0 {
            Rule::All(all) => all.as_slice(),
            _ => std::slice::from_ref(self),
        };
        plain_scopes(parts)
    }

    /// Every scope that it names in force, each once.
    #[cfg(test)]
    pub(crate) fn named_scopes(&self) -> Vec<&str> {
        let mut names = Vec::new();
        let mut open = vec![self];
        while let Some(next) = open.pop() {
            match &*next.0 {
                Rule::Scope(name) if !names.contains(&name.as_str()) => names.push(name),
                Rule::Not(_) | Rule::Shadow(..) => {}
                _ => open.extend(next.children().iter().rev()),
            }
        }
        names
    }

    /// Counts a request that has no caller to judge as unmet, in every part that is in shadow mode.
    pub fn count_unmet_in_shadow(&self) {
        self.parts().for_each(|part| {
            if let Rule::Shadow(_, counts) = &*part.0 {
                counts.count(false);
            }
        });
    }

    /// The parameters of the request's path that judging needs: a route without one of them refuses everybody.
    pub fn path_parameters(&self) -> impl Iterator<Item = &str> {
        self.parts().filter_map(|part| match &*part.0 {
            Rule::Tenant(TenantPlace::Path(parameter)) => Some(parameter.as_str()),
            _ => None,
        })
    }

    /// Whether judging needs the request at all: a guard or an extractor can, a check inside a handler cannot.
    #[must_use]
    pub fn needs_request(&self) -> bool {
        self.parts().any(|part| matches!(&*part.0, Rule::Tenant(_)))
    }

    /// Itself and everything in it, outer before inner.
    fn parts(&self) -> impl Iterator<Item = &Requirement> {
        let mut open: SmallVec<[&Requirement; 8]> = smallvec![self];
        std::iter::from_fn(move || {
            let next = open.pop()?;
            open.extend(next.children().iter().rev());
            Some(next)
        })
    }

    fn children(&self) -> &[Requirement] {
        match &*self.0 {
            Rule::All(parts) | Rule::Any(parts) | Rule::AtLeast(_, parts) => parts,
            Rule::Not(inner) | Rule::Hidden(inner) | Rule::Shadow(inner, _) => std::slice::from_ref(inner),
            _ => &[],
        }
    }
}
