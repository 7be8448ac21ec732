//! Roles that imply other roles and permissions.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Fault;

/// The roles and permissions that each role implies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    below: BTreeMap<String, BTreeSet<String>>,
    permissions: BTreeMap<String, BTreeSet<String>>,
    /// The roles that chains name.
    named: BTreeSet<String>,
    /// All known roles, if they were declared.
    declared: BTreeSet<String>,
    malformed: bool,
}

impl Hierarchy {
    /// Declares a known role.
    pub(crate) fn declare(&mut self, role: String) {
        self.declared.insert(role);
    }

    /// Adds chains of roles, most privileged first: `admin > manager > clerk; admin > auditor`.
    ///
    /// A single name declares a role that implies no other.
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

    /// Grants `permission` to holders of `role`.
    pub(crate) fn grant(&mut self, role: String, permission: String) {
        self.permissions.entry(role).or_default().insert(permission);
    }

    /// Returns `role` and every role that it implies.
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

    /// The permissions granted to `role` itself, without those of implied roles.
    pub(crate) fn permissions_of(&self, role: &str) -> impl Iterator<Item = &str> {
        self.permissions.get(role).into_iter().flatten().map(String::as_str)
    }

    /// The chains as a list, for fingerprints.
    pub(crate) fn describe_chains(&self) -> Vec<String> {
        pairs(&self.below)
    }

    /// Passes the hierarchy to `add` as named lists, for fingerprints.
    pub(crate) fn describe(&self, add: &mut dyn FnMut(&str, Vec<String>)) {
        add("hierarchy", self.describe_chains());
        add("role_permissions", pairs(&self.permissions));
        if !self.declared.is_empty() {
            add("known_roles", self.declared.iter().cloned().collect());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.below.is_empty() && self.permissions.is_empty()
    }

    /// The faults of the chains, which are those of the setting `field`.
    pub(crate) fn chain_faults(&self, field: &'static str, noun: &str, example: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.malformed {
            faults.push(Fault::new(field, format!("a chain is malformed; write it like \"{example}\"")));
        }
        let in_cycle =
            |name: &&String| self.below[*name].iter().any(|below| self.implied(below).contains(name.as_str()));
        if let Some(name) = self.below.keys().find(in_cycle) {
            faults.push(Fault::new(field, format!("{noun} {name} implies itself; break the cycle")));
        }
        faults
    }

    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = self.chain_faults("hierarchy", "role", "admin > manager > clerk");
        if !self.declared.is_empty() {
            faults.extend(unknown("hierarchy", self.named.difference(&self.declared)));
        }
        let known = if self.declared.is_empty() { &self.named } else { &self.declared };
        if !known.is_empty() {
            faults.extend(unknown("role_permissions", self.permissions.keys().filter(|role| !known.contains(*role))));
        }
        if self.permissions.iter().any(|(role, permissions)| role.is_empty() || permissions.contains("")) {
            faults.push(Fault::new("role_permissions", "a role or permission is empty; name it or remove the entry"));
        }
        faults
    }
}

fn pairs(map: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let of_name = |(name, below): (&String, &BTreeSet<String>)| -> Vec<String> {
        below.iter().map(|lower| format!("{}:{name} {lower}", name.len())).collect()
    };
    map.iter().flat_map(of_name).collect()
}

fn unknown<'r>(field: &'static str, roles: impl Iterator<Item = &'r String>) -> Option<Fault> {
    let roles: Vec<&str> = roles.map(String::as_str).collect();
    let problem =
        || format!("unknown role: {}; add it to known_roles or to a chain, or correct its name", roles.join(", "));
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
            built(&[], "", &["anything"]), // no role is declared
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
