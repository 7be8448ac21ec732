//! Conditions on what the token grants: scopes, roles, permissions, groups.

use std::fmt;

use serde_json::Value;

use super::condition::{Condition, Escaped};
use super::facts::{Facts, Unknown};
use super::found;
use super::rule::Requirement;
use super::verdict::Verdict;
use crate::authz::names::Names;
use crate::authz::{Denial, Fact, Grants};

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

impl List {
    const ALL: [List; 4] = [List::Scopes, List::Roles, List::Permissions, List::Groups];

    fn names(self, grants: &Grants) -> &Names {
        match self {
            List::Scopes => &grants.scopes,
            List::Roles => &grants.roles,
            List::Permissions => &grants.permissions,
            List::Groups => &grants.groups,
        }
    }

    fn title(self) -> &'static str {
        match self {
            List::Scopes => "scopes",
            List::Roles => "roles",
            List::Permissions => "permissions",
            List::Groups => "groups",
        }
    }

    /// The setting that maps claims to the list.
    fn setting(self) -> Option<&'static str> {
        match self {
            List::Scopes => None,
            List::Roles => Some("roles_at"),
            List::Permissions => Some("permissions_at"),
            List::Groups => Some("groups_at"),
        }
    }
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
        let fact = match self.list {
            List::Scopes => Fact::Scopes,
            List::Roles => Fact::Roles,
            List::Permissions => Fact::Permissions,
            List::Groups => Fact::Groups,
        };
        if facts.grants.unknown.contains(fact) {
            return Verdict::Unknown(Denial::Forbidden, Unknown::Distributed);
        }
        let denial = || match self.list {
            List::Scopes => Denial::Scopes(vec![self.name.clone()]),
            _ => Denial::Forbidden,
        };
        if self.name.is_empty() {
            return Verdict::Unknown(denial(), Unknown::NotInToken); // an empty name is nobody's
        }
        Verdict::met_if(self.list.names(facts.grants).contains(&self.name), denial)
    }

    fn found(&self, facts: &Facts<'_>) -> Vec<String> {
        let names = self.list.names(facts.grants);
        let mut found = vec![found::list(self.list.title(), names)];
        let near_miss = found::near_miss(&self.name, names.iter());
        let setting = self.list.setting().filter(|_| names.is_empty());
        found.extend(near_miss);
        found
            .extend(setting.map(|setting| format!("{setting} of the policy names the claims that they are read from")));
        let others = List::ALL.into_iter().filter(|other| other.names(facts.grants).contains(&self.name));
        found.extend(others.map(|other| format!("the name is one of the caller's {}", other.title())));
        found
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
