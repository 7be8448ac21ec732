//! Roles that imply roles and permissions, closed when built.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Fault;

/// What each role implies, directly and through others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    below: BTreeMap<String, BTreeSet<String>>,
    permissions: BTreeMap<String, BTreeSet<String>>,
    malformed: bool,
}

impl Hierarchy {
    /// Adds chains of roles, the mightier first: `admin > manager > clerk; admin > auditor`.
    pub(crate) fn add_chains(&mut self, chains: &str) {
        for chain in chains.split([';', '\n']).map(str::trim).filter(|chain| !chain.is_empty()) {
            let roles: Vec<&str> = chain.split('>').map(str::trim).collect();
            self.malformed |=
                roles.len() < 2 || roles.iter().any(|role| role.is_empty() || role.contains(char::is_whitespace));
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
        faults
    }
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

    #[test]
    fn cycles_and_nonsense_are_refused() {
        for bad in ["a > b > a", "a > a", "a >", "admin", "a > b c"] {
            let mut hierarchy = Hierarchy::default();
            hierarchy.add_chains(bad);
            assert!(!hierarchy.faults().is_empty(), "{bad}");
        }
    }
}
