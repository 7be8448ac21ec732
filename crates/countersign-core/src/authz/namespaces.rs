//! Names of several issuers: the prefixes that keep them apart, and the issuer that owns those without a prefix.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound::{Excluded, Included, Unbounded};

use crate::error::Fault;
use crate::redact::safe_text;

/// The names and tenants that the trusted issuers may use.
#[derive(Clone, Debug)]
pub(crate) struct Namespaces {
    names: Namespace,
    tenants: Namespace,
}

/// The names of one kind.
#[derive(Clone, Debug)]
struct Namespace {
    kind: Kind,
    /// The issuer of each prefix. No prefix starts with another.
    prefixes: BTreeMap<String, String>,
    /// The owner of the names without a prefix.
    owner: Option<Owner>,
    /// The tenants that policies fix or pin for issuers, as (tenant, issuer), each with the stated owner of its namespace.
    fixed: BTreeMap<(String, String), Option<String>>,
    /// The entries of each issuer, so that its removal does not search all others.
    entries: HashMap<String, Entry>,
}

/// The issuer whose names have no prefix, and the issuers that say such names. It owns them as long as there is one.
#[derive(Clone, Debug)]
struct Owner {
    issuer: String,
    said_by: BTreeSet<String>,
}

/// The entries of one issuer.
#[derive(Clone, Debug, Default)]
struct Entry {
    prefix: Option<String>,
    fixed: Option<String>,
}

/// The kind of names, for messages.
#[derive(Clone, Copy, Debug)]
struct Kind {
    field: &'static str,
    what: &'static str,
    prefix: &'static str,
    of: &'static str,
}

const NAMES: Kind =
    Kind { field: "names", what: "roles, permissions and groups", prefix: "name_prefix", of: "names_of" };
const TENANTS: Kind = Kind { field: "tenant", what: "tenants", prefix: "tenant_prefix", of: "tenants_of" };

/// A mapping whose names could be those of another issuer.
#[derive(Clone, Debug)]
pub(crate) struct Collision {
    pub(crate) fault: Fault,
    /// The other issuer, if it is known by name.
    pub(crate) other: Option<String>,
}

/// The names that the tokens of an issuer can have.
pub(crate) struct NamedBy<'a> {
    pub(crate) issuer: &'a str,
    /// The prefix of roles, permissions and groups, and the issuer that they are stated to be of; `None` if none are read.
    pub(crate) names: Option<(&'a str, Option<&'a str>)>,
    /// The same for tenants that are read from tokens.
    pub(crate) tenants: Option<(&'a str, Option<&'a str>)>,
    /// The tenant of every token, fixed or pinned, and the issuer that it is stated to be of.
    pub(crate) fixed_tenant: Option<(&'a str, Option<&'a str>)>,
}

impl Default for Namespaces {
    fn default() -> Self {
        let empty = |kind| Namespace {
            kind,
            prefixes: BTreeMap::new(),
            owner: None,
            fixed: BTreeMap::new(),
            entries: HashMap::new(),
        };
        Namespaces { names: empty(NAMES), tenants: empty(TENANTS) }
    }
}

impl Namespaces {
    /// The namespaces of issuers that are configured together, and the faults of their mappings.
    ///
    /// Only one mapping of names may go without both a prefix and a statement.
    pub(crate) fn of_all(issuers: &[NamedBy<'_>]) -> (Self, Vec<Fault>) {
        let mut all = Self::default();
        let is_bare = |named: &&NamedBy<'_>| named.names.is_some_and(|(prefix, _)| prefix.is_empty());
        let must_state = issuers.iter().filter(is_bare).count() > 1;
        let mut collisions: Vec<Collision> =
            issuers.iter().flat_map(|named| all.add_mappings(named, must_state)).collect();
        collisions.extend(issuers.iter().filter_map(|named| all.add_fixed(named)));
        (all, collisions.into_iter().map(|collision| collision.fault).collect())
    }

    /// Adds an issuer that was resolved at run time; it replaces what it used before.
    pub(crate) fn add_resolved(&mut self, named: &NamedBy<'_>) -> Result<(), Collision> {
        self.remove(named.issuer);
        let first = self.add_mappings(named, true).into_iter().next().or_else(|| self.add_fixed(named));
        first.map_or(Ok(()), |collision| {
            self.remove(named.issuer);
            Err(collision)
        })
    }

    /// Frees the prefixes and tenants of an issuer.
    pub(crate) fn remove(&mut self, issuer: &str) {
        self.names.remove(issuer);
        self.tenants.remove(issuer);
    }

    /// Returns whether an issuer has prefixes or tenants, or says names without a prefix.
    pub(crate) fn contains(&self, issuer: &str) -> bool {
        self.names.entries.contains_key(issuer) || self.tenants.entries.contains_key(issuer)
    }

    /// The number of prefixes and tenants.
    pub(crate) fn len(&self) -> usize {
        let count = |namespace: &Namespace| namespace.prefixes.len() + namespace.fixed.len();
        count(&self.names) + count(&self.tenants)
    }

    /// Returns whether a role, permission or group starts with the prefix of an issuer.
    pub(super) fn has_name_prefix(&self, name: &str) -> bool {
        self.names.prefix_owner(name).is_some()
    }

    /// Returns whether a tenant of `issuer` starts with the prefix of another issuer.
    pub(super) fn is_tenant_of_another(&self, issuer: &str, tenant: &str) -> bool {
        self.tenants.prefix_owner(tenant).is_some_and(|owner| owner != issuer)
    }

    fn add_mappings(&mut self, named: &NamedBy<'_>, must_state: bool) -> Vec<Collision> {
        let names = named.names.and_then(|(prefix, of)| self.names.add(named.issuer, prefix, of, must_state));
        let tenants = named.tenants.and_then(|(prefix, of)| self.tenants.add(named.issuer, prefix, of, true));
        names.into_iter().chain(tenants).collect()
    }

    fn add_fixed(&mut self, named: &NamedBy<'_>) -> Option<Collision> {
        named.fixed_tenant.and_then(|(tenant, of)| self.tenants.add_fixed(named.issuer, tenant, of))
    }
}

impl Namespace {
    /// The issuer with whose prefix `name` starts.
    //
    // No prefix starts with another, so only the last one up to `name` can be a prefix of it.
    fn prefix_owner(&self, name: &str) -> Option<&str> {
        let (prefix, issuer) = self.prefixes.range::<str, _>((Unbounded, Included(name))).next_back()?;
        name.starts_with(prefix.as_str()).then_some(issuer)
    }

    /// The issuer of a prefix that starts with `prefix`.
    fn longer_prefix(&self, prefix: &str) -> Option<&str> {
        let (longer, issuer) = self.prefixes.range::<str, _>((Excluded(prefix), Unbounded)).next()?;
        longer.starts_with(prefix).then_some(issuer)
    }

    fn add(&mut self, issuer: &str, prefix: &str, of: Option<&str>, must_state: bool) -> Option<Collision> {
        let Kind { what, prefix: setting, of: statement, .. } = self.kind;
        if prefix.is_empty() {
            let Some(of) = of.or((!must_state).then_some(issuer)) else {
                let problem = format!(
                    "several issuers are trusted, and each could say the {what} of another; set {setting}, or state with \
                     {statement} whose {what} these are"
                );
                return Some(self.collision(issuer, &problem, None));
            };
            if let Some(owner) = self.owner.as_ref().filter(|owner| owner.issuer != of) {
                let name = safe_text(&owner.issuer);
                let problem = format!(
                    "{what} without a prefix are already those of {name}; set {setting}, or {statement} to {name}"
                );
                return Some(self.collision(issuer, &problem, owner.first()));
            }
            // Its own fixed tenant is added later.
            let may_say = |other: &str, stated: Option<&str>| other == of || stated == Some(of);
            let other = self.fixed.iter().find(|((_, other), stated)| !may_say(other, stated.as_deref()));
            if let Some(((tenant, other), _)) = other {
                let problem = format!(
                    "the issuer could say the tenant {} of {}; set {setting}",
                    safe_text(tenant),
                    safe_text(other)
                );
                return Some(self.collision(issuer, &problem, Some(other)));
            }
            let new = || Owner { issuer: of.to_owned(), said_by: BTreeSet::new() };
            self.owner.get_or_insert_with(new).said_by.insert(issuer.to_owned());
            self.entry(issuer).prefix = Some(String::new());
            return None;
        }
        if let Some(other) = self.prefix_owner(prefix).or_else(|| self.longer_prefix(prefix)) {
            let problem = format!(
                "{setting} overlaps that of {}; choose prefixes of which none starts with another",
                safe_text(other)
            );
            return Some(self.collision(issuer, &problem, Some(other)));
        }
        let from = (prefix.to_owned(), String::new());
        let next = self.fixed.range(from..).next();
        if let Some(((tenant, other), _)) = next.filter(|((tenant, _), _)| tenant.starts_with(prefix)) {
            let problem = format!(
                "the tenant {} of {} starts with this {setting}; choose another",
                safe_text(tenant),
                safe_text(other)
            );
            return Some(self.collision(issuer, &problem, Some(other)));
        }
        self.prefixes.insert(prefix.to_owned(), issuer.to_owned());
        self.entry(issuer).prefix = Some(prefix.to_owned());
        None
    }

    fn add_fixed(&mut self, issuer: &str, tenant: &str, of: Option<&str>) -> Option<Collision> {
        let Kind { prefix: setting, of: statement, .. } = self.kind;
        if let Some(other) = self.prefix_owner(tenant) {
            let problem =
                format!("the tenant of the issuer starts with the {setting} of {}; choose another", safe_text(other));
            return Some(self.collision(issuer, &problem, Some(other)));
        }
        let is_of_another = |owner: &&Owner| owner.issuer != issuer && Some(&*owner.issuer) != of;
        if let Some(owner) = self.owner.as_ref().filter(is_of_another) {
            let problem = format!(
                "tokens with the tenants of {0} could say the tenant of this issuer; if it is the same tenant, set \
                 {statement} to {0}, else set {setting} for the others",
                safe_text(&owner.issuer)
            );
            return Some(self.collision(issuer, &problem, owner.first()));
        }
        self.fixed.insert((tenant.to_owned(), issuer.to_owned()), of.map(str::to_owned));
        self.entry(issuer).fixed = Some(tenant.to_owned());
        None
    }

    fn entry(&mut self, issuer: &str) -> &mut Entry {
        self.entries.entry(issuer.to_owned()).or_default()
    }

    fn remove(&mut self, issuer: &str) {
        let Some(Entry { prefix, fixed }) = self.entries.remove(issuer) else { return };
        if let Some(tenant) = fixed {
            self.fixed.remove(&(tenant, issuer.to_owned()));
        }
        if let Some(prefix) = prefix {
            self.prefixes.remove(&prefix);
        }
        if let Some(owner) = &mut self.owner {
            owner.said_by.remove(issuer);
        }
        self.owner.take_if(|owner| owner.said_by.is_empty());
    }

    fn collision(&self, issuer: &str, problem: &str, other: Option<&str>) -> Collision {
        let fault = Fault::new(self.kind.field, format!("{problem} (issuer \"{}\")", safe_text(issuer)));
        Collision { fault, other: other.map(str::to_owned) }
    }
}

impl Owner {
    /// The first issuer that says its names.
    fn first(&self) -> Option<&str> {
        self.said_by.first().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named<'a>(issuer: &'a str, prefix: &'a str) -> NamedBy<'a> {
        NamedBy { issuer, names: Some((prefix, None)), tenants: None, fixed_tenant: None }
    }

    #[test]
    fn s15_05_a_name_belongs_to_the_issuer_of_its_prefix() {
        let issuers = ["a.", "b.", "ba.", "c:d:"].map(|prefix| named(prefix, prefix));
        let (all, faults) = Namespaces::of_all(&issuers);
        assert!(faults.is_empty(), "{faults:?}");
        for (name, owner) in [
            ("a.x", Some("a.")),
            ("a.", Some("a.")),
            ("a", None),
            ("b.a.x", Some("b.")),
            ("ba.x", Some("ba.")),
            ("bb", None),
            ("c:x", None),
            ("c:d:x", Some("c:d:")),
            ("", None),
            ("zz", None),
        ] {
            assert_eq!(all.names.prefix_owner(name), owner, "{name}");
        }
    }

    #[test]
    fn s15_05_neighbours_in_order_are_no_overlap() {
        let (_, faults) = Namespaces::of_all(&["b.", "a.", "ab."].map(|prefix| named(prefix, prefix)));
        assert!(faults.is_empty(), "{faults:?}");
        let mut all = Namespaces::default();
        let fixed = |issuer, tenant| NamedBy { issuer, names: None, tenants: None, fixed_tenant: Some((tenant, None)) };
        let prefixed =
            |issuer, prefix| NamedBy { issuer, names: None, tenants: Some((prefix, None)), fixed_tenant: None };
        assert!(all.add_resolved(&fixed("one", "b.1")).is_ok());
        assert!(all.add_resolved(&prefixed("two", "a.")).is_ok(), "the tenant starts otherwise");
        assert!(all.add_resolved(&prefixed("three", "b.")).is_err());
    }

    #[test]
    fn s15_05_tenants_without_a_prefix_are_those_of_one_issuer_and_of_who_states_it() {
        let fixed = |issuer, of| NamedBy { issuer, names: None, tenants: None, fixed_tenant: Some(("acme", of)) };
        let says = NamedBy { issuer: "two", names: None, tenants: Some(("", Some("corp"))), fixed_tenant: None };
        for (other, is_allowed) in [
            (fixed("corp", None), true),
            (fixed("one", Some("corp")), true),
            (fixed("one", None), false),
            (fixed("one", Some("one")), false),
        ] {
            let mut all = Namespaces::default();
            assert!(all.add_resolved(&other).is_ok());
            assert_eq!(all.add_resolved(&says).is_ok(), is_allowed, "{} {:?}", other.issuer, other.fixed_tenant);
            all.remove(other.issuer);
            assert!(all.add_resolved(&says).is_ok(), "the tenant is free");
            assert_eq!(all.add_resolved(&other).is_ok(), is_allowed, "in the other order");
        }
    }

    #[test]
    fn s15_05_overlapping_prefixes_are_found_in_both_orders() {
        for (one, other) in [("a.", "a."), ("a.", "a.b."), ("a.b.", "a."), ("p", "partner:")] {
            let (mut all, faults) = Namespaces::of_all(&[named("one", one), named("other", other)]);
            assert_eq!(faults.len(), 1, "{faults:?}");
            let collision = all.add_resolved(&named("third", other)).expect_err("a collision");
            assert!(collision.other.is_some());
            all.remove("one");
            all.remove("other");
            assert!(all.add_resolved(&named("third", other)).is_ok());
            assert!(all.add_resolved(&named("third", other)).is_ok(), "its own prefix");
            assert_eq!((all.len(), all.contains("third"), all.contains("one")), (1, true, false));
        }
    }

    #[test]
    fn s15_05_the_removal_of_many_issuers_takes_no_time_for_each_pair_of_them() {
        let mut all = Namespaces::default();
        let issuers: Vec<(String, String)> = (0..32_768).map(|n| (format!("i{n}"), format!("{n}."))).collect();
        for (issuer, prefix) in &issuers {
            let named = NamedBy { tenants: Some((prefix, None)), ..named(issuer, prefix) };
            assert!(all.add_resolved(&named).is_ok());
        }
        assert_eq!(all.len(), 65_536);
        let began = std::time::Instant::now();
        issuers.iter().for_each(|(issuer, _)| all.remove(issuer));
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
        assert_eq!((all.len(), all.contains("i0")), (0, false));
    }

    #[test]
    fn s15_05_names_without_a_prefix_are_free_once_no_issuer_says_them() {
        let of = |issuer, owner| NamedBy { names: Some(("", Some(owner))), ..named(issuer, "") };
        let mut all = Namespaces::default();
        assert!(all.add_resolved(&of("one", "corp")).is_ok() && all.add_resolved(&of("two", "corp")).is_ok());
        for gone in ["one", "two"] {
            let collision = all.add_resolved(&of("three", "other")).expect_err("a collision");
            assert_eq!(collision.other.as_deref(), Some(gone), "the first that says them");
            all.remove(gone);
        }
        assert!(all.add_resolved(&of("three", "other")).is_ok());
    }
}
