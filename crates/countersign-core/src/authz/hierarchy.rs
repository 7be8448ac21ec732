//! Roles that imply roles and permissions, closed when built.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Fault;

/// What each role implies, directly and through others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    below: BTreeMap<String, BTreeSet<String>>,
    permissions: BTreeMap<String, BTreeSet<String>>,
    /// Every role that a chain names.
    named: BTreeSet<String>,
    /// Every role that there is, where that was said.
    declared: BTreeSet<String>,
    malformed: bool,
}

impl Hierarchy {
    /// Says that there is such a role.
    pub(crate) fn declare(&mut self, role: String) {
        self.declared.insert(role);
    }

    /// Adds chains of roles, the mightier first: `admin > manager > clerk; admin > auditor`. A single name is a role that
    /// implies no other.
    pub(crate) fn add_chains(&mut self, chains: &str) {
        for chain in chains.split([';', '\n']).map(str::trim).filter(|chain| !chain.is_empty()) {
            let roles: Vec<&str> = chain.split('>').map(str::trim).collect();
            self.malformed |= roles.iter().any(|role| role.is_empty() || role.contains(char::is_whitespace));
            self.named.extend(roles.iter().map(|role| (*role).to_owned()));
            for pair in roles.windows(2) {
                self.below.entry(pair[0].to_owned()).or_default().insert(pair[1].to_owned());
            }
        }
    }

    /// Lets holders of `role` do `permission`.
    pub(crate) fn grant(&mut self, role: String, permission: String) {
        self.permissions.entry(role).or_default().insert(permission);
    }

    /// `role` and everything below it.
    pub(crate) fn implied<'h>(&'h self, role: &'h str) -> BTreeSet<&'h str> {
        let mut reached = BTreeSet::from([role]);
        let mut open = vec![role];
        while let Some(next) = open.pop() {
            for below in self.below.get(next).into_iter().flatten() {
                if reached.insert(below) {
                    open.push(below);
                }
            }
        }
        reached
    }

    /// The permissions that `role` alone carries.
    pub(crate) fn permissions_of(&self, role: &str) -> impl Iterator<Item = &str> {
        self.permissions.get(role).into_iter().flatten().map(String::as_str)
    }

    /// Tells what implies what, for fingerprints.
    pub(crate) fn describe(&self, tell: &mut dyn FnMut(&str, Vec<String>)) {
        let pairs = |map: &BTreeMap<String, BTreeSet<String>>| {
            let of_role = |(role, below): (&String, &BTreeSet<String>)| -> Vec<String> {
                below.iter().map(|name| format!("{}:{role} {name}", role.len())).collect()
            };
            map.iter().flat_map(of_role).collect()
        };
        tell("hierarchy", pairs(&self.below));
        tell("role_permissions", pairs(&self.permissions));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.below.is_empty() && self.permissions.is_empty()
    }

    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.malformed {
            faults.push(Fault::new("hierarchy", "a chain is not of the form \"admin > manager > clerk\""));
        }
        let in_cycle =
            |role: &&String| self.below[*role].iter().any(|below| self.implied(below).contains(role.as_str()));
        if let Some(role) = self.below.keys().find(in_cycle) {
            faults.push(Fault::new("hierarchy", format!("role {role} implies itself; break the cycle")));
        }
        if !self.declared.is_empty() {
            faults.extend(unknown("hierarchy", self.named.difference(&self.declared)));
        }
        let known = if self.declared.is_empty() { &self.named } else { &self.declared };
        if !known.is_empty() {
            faults.extend(unknown("role_permissions", self.permissions.keys().filter(|role| !known.contains(*role))));
        }
        if self.permissions.iter().any(|(role, permissions)| role.is_empty() || permissions.contains("")) {
            faults.push(Fault::new("role_permissions", "a role or permission has no name"));
        }
        faults
    }
}

fn unknown<'r>(field: &'static str, roles: impl Iterator<Item = &'r String>) -> Option<Fault> {
    let roles: Vec<&str> = roles.map(String::as_str).collect();
    let problem =
        || format!("no such role: {}; name it in known_roles or in a chain, or mend its name", roles.join(", "));
    (!roles.is_empty()).then(|| Fault::new(field, problem()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_implies_all_below_it() {
        let mut hierarchy = Hierarchy::default();
        hierarchy.add_chains("admin > manager > clerk; admin > auditor");
        assert_eq!(hierarchy.implied("admin"), BTreeSet::from(["admin", "manager", "clerk", "auditor"]));
        assert_eq!(hierarchy.implied("clerk"), BTreeSet::from(["clerk"]));
        assert!(hierarchy.faults().is_empty());
    }

    fn fields(hierarchy: &Hierarchy) -> Vec<String> {
        hierarchy.faults().into_iter().map(|fault| fault.field.into_owned()).collect()
    }

    #[test]
    fn cycles_and_nonsense_are_refused() {
        for bad in ["a > b > a", "a > a", "a >", "> a", "a > b c", "a > b; b > c; c > a"] {
            let mut hierarchy = Hierarchy::default();
            hierarchy.add_chains(bad);
            assert_eq!(fields(&hierarchy), ["hierarchy"], "{bad}");
        }
    }

    #[test]
    fn unknown_roles_are_refused() {
        let built = |declared: &[&str], chains: &str, mapped: &[&str]| {
            let mut hierarchy = Hierarchy::default();
            declared.iter().for_each(|role| hierarchy.declare((*role).to_owned()));
            hierarchy.add_chains(chains);
            mapped.iter().for_each(|role| hierarchy.grant((*role).to_owned(), "p".to_owned()));
            hierarchy
        };
        for good in [
            built(&[], "admin > clerk; auditor", &["admin", "clerk", "auditor"]),
            built(&["admin", "clerk"], "admin > clerk", &["clerk"]),
            built(&["admin"], "", &["admin"]),
            built(&[], "", &["anything"]), // nothing says which roles there are
        ] {
            assert_eq!(fields(&good), Vec::<String>::new());
        }
        let mapped = built(&[], "admin > clerk", &["clrek", "admin"]);
        assert_eq!(fields(&mapped), ["role_permissions"]);
        assert!(mapped.faults()[0].problem.contains("clrek") && !mapped.faults()[0].problem.contains("admin"));
        assert_eq!(fields(&built(&["admin"], "admin > clerk", &["clerk"])), ["hierarchy", "role_permissions"]);
        assert_eq!(fields(&built(&["admin"], "", &["clerk"])), ["role_permissions"]);
        assert_eq!(fields(&built(&[], "", &[""])), ["role_permissions"]);
    }
}
