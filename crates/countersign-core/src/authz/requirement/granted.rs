//! Conditions on what the token grants: scopes, roles, permissions, groups.

use std::fmt;

use serde_json::Value;

use super::condition::{Condition, Escaped};
use super::facts::{Facts, Unknown};
use super::rule::Requirement;
use super::verdict::Verdict;
use crate::authz::{Denial, Fact};

/// The token has this scope. A refusal names it: 403 `insufficient_scope` (RFC 6750 §3.1).
///
/// ```
/// assert_eq!(countersign_core::authz::scope("orders:read").to_string(), "scope orders:read");
/// ```
pub fn scope(name: impl Into<String>) -> Requirement {
    Requirement::from_condition(Granted { list: List::Scopes, name: name.into() })
}

/// The caller has this role, directly or implied by another role.
///
/// ```
/// assert_eq!(countersign_core::authz::role("clerk").to_string(), "role clerk");
/// ```
pub fn role(name: impl Into<String>) -> Requirement {
    Requirement::from_condition(Granted { list: List::Roles, name: name.into() })
}

/// The caller has this permission, directly or through a role.
///
/// ```
/// assert_eq!(countersign_core::authz::permission("orders:approve").to_string(), "permission orders:approve");
/// ```
pub fn permission(name: impl Into<String>) -> Requirement {
    Requirement::from_condition(Granted { list: List::Permissions, name: name.into() })
}

/// The caller is a member of this group, as the issuer's mapping reads groups
/// ([`groups_at`](crate::authz::Authorities::groups_at)).
///
/// ```
/// assert_eq!(countersign_core::authz::group("staff").to_string(), "group staff");
/// ```
pub fn group(name: impl Into<String>) -> Requirement {
    Requirement::from_condition(Granted { list: List::Groups, name: name.into() })
}

struct Granted {
    list: List,
    name: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    Scopes,
    Roles,
    Permissions,
    Groups,
}

impl Condition for Granted {
    fn kind(&self) -> &'static str {
        match self.list {
            List::Scopes => "scope",
            List::Roles => "role",
            List::Permissions => "permission",
            List::Groups => "group",
        }
    }

    fn argument(&self) -> Value {
        self.name.as_str().into()
    }

    fn evaluate(&self, facts: &Facts<'_>) -> Verdict {
        let grants = facts.grants;
        let (names, fact) = match self.list {
            List::Scopes => (&grants.scopes, Fact::Scopes),
            List::Roles => (&grants.roles, Fact::Roles),
            List::Permissions => (&grants.permissions, Fact::Permissions),
            List::Groups => (&grants.groups, Fact::Groups),
        };
        if grants.unknown.contains(fact) {
            return Verdict::Unknown(Denial::Forbidden, Unknown::Distributed);
        }
        Verdict::met_if(names.contains(&self.name), || match self.list {
            List::Scopes => Denial::Scopes(vec![self.name.clone()]),
            _ => Denial::Forbidden,
        })
    }

    fn scope(&self) -> Option<&str> {
        (self.list == List::Scopes).then_some(&self.name)
    }
}

impl fmt::Display for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), Escaped(&self.name))
    }
}
