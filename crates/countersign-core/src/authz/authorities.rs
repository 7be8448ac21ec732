//! From claims to [`Grants`], by each issuer's own mapping.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Grants, Hierarchy};
use crate::claims::TenantId;
use crate::error::{Fault, VerifyError, VerifyErrorKind as Kind};
use crate::token::{ListClaim, Payload, RegisteredClaim};

/// Where an issuer writes scopes, roles, permissions, groups and tenant, and what they imply.
///
/// Paths are JSON pointers (RFC 6901). A claim of the wrong type refuses the token; an absent one grants nothing.
///
/// ```
/// use countersign_core::authz::Authorities;
///
/// let authorities = Authorities::new()
///     .roles_at("/groups")
///     .tenant_at("/org/id")
///     .hierarchy("admin > manager > clerk")
///     .role_permission("manager", "orders:approve");
/// # let _ = authorities;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Authorities {
    roles_at: Vec<String>,
    permissions_at: Vec<String>,
    groups_at: Vec<String>,
    tenant_at: Option<String>,
    tenant: Option<String>,
    prefix: String,
    reads_scp: bool,
    hierarchy: Hierarchy,
}

impl Authorities {
    /// Scopes from `scope` alone, as RFC 8693 §4.2 writes it; no roles, permissions or tenant.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads roles from the list of strings at `pointer`, besides others already named.
    pub fn roles_at(mut self, pointer: impl Into<String>) -> Self {
        self.roles_at.push(pointer.into());
        self
    }

    /// Reads permissions from the list of strings at `pointer`, besides others already named.
    pub fn permissions_at(mut self, pointer: impl Into<String>) -> Self {
        self.permissions_at.push(pointer.into());
        self
    }

    /// Reads groups from the list of strings at `pointer`, besides others already named.
    pub fn groups_at(mut self, pointer: impl Into<String>) -> Self {
        self.groups_at.push(pointer.into());
        self
    }

    /// Reads the tenant from the string at `pointer`.
    pub fn tenant_at(mut self, pointer: impl Into<String>) -> Self {
        self.tenant_at = Some(pointer.into());
        self
    }

    /// Gives every token of this issuer the tenant `id`: for an issuer that serves one tenant alone.
    pub fn tenant(mut self, id: impl Into<String>) -> Self {
        self.tenant = Some(id.into());
        self
    }

    /// Puts `prefix` before every role, permission and group that this issuer writes, so that an `admin` of a partner is
    /// `partner:admin` here and never our `admin`. Scopes stay as they are.
    pub fn name_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Reads scopes from `scp` too, a string or a list (Microsoft Entra ID, Okta).
    pub fn scopes_in_scp(mut self) -> Self {
        self.reads_scp = true;
        self
    }

    /// Every role that there is: others in hierarchy and role→permission map are then faults. Default: those that the
    /// hierarchy names, if it names any.
    pub fn known_roles(mut self, roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        roles.into_iter().for_each(|role| self.hierarchy.declare(role.into()));
        self
    }

    /// Roles that imply others, the mightier first: `"admin > manager > clerk"`; chains are joined by `;`.
    ///
    /// A role that implies itself, by however many steps, forbids building a verifier.
    pub fn hierarchy(mut self, chains: &str) -> Self {
        self.hierarchy.add_chains(chains);
        self
    }

    /// Lets holders of `role`, or of a role that implies it, do `permission`.
    ///
    /// A role that neither the hierarchy nor [`known_roles`](Self::known_roles) names, where there are such, forbids
    /// building a verifier.
    pub fn role_permission(mut self, role: impl Into<String>, permission: impl Into<String>) -> Self {
        self.hierarchy.grant(role.into(), permission.into());
        self
    }

    /// Tells every setting as a named list, for fingerprints.
    pub(crate) fn describe(&self, tell: &mut dyn FnMut(&str, Vec<String>)) {
        tell("roles_at", self.roles_at.clone());
        tell("permissions_at", self.permissions_at.clone());
        // Told only where used: older fingerprints stay.
        if !self.groups_at.is_empty() {
            tell("groups_at", self.groups_at.clone());
        }
        if let Some(tenant) = &self.tenant {
            tell("tenant", vec![tenant.clone()]);
        }
        if !self.prefix.is_empty() {
            tell("names_prefixed", vec![self.prefix.clone()]);
        }
        tell("tenant_at", self.tenant_at.iter().cloned().collect());
        tell("scopes_in_scp", self.reads_scp.then(|| "yes".to_owned()).into_iter().collect());
        self.hierarchy.describe(tell);
    }

    /// The top-level claims that reading needs at hand.
    pub(crate) fn claim_names(&self) -> impl Iterator<Item = &str> {
        self.pointers().filter_map(|pointer| head_and_tail(pointer).map(|(head, _)| head))
    }

    fn pointers(&self) -> impl Iterator<Item = &str> {
        self.roles_at
            .iter()
            .chain(&self.permissions_at)
            .chain(&self.groups_at)
            .chain(&self.tenant_at)
            .map(String::as_str)
    }

    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = self.hierarchy.faults();
        for pointer in self.pointers() {
            match head_and_tail(pointer) {
                None => faults.push(Fault::new("authorities", "a path is no JSON pointer such as /realm_access/roles")),
                Some((head, _)) if RegisteredClaim::from_name(head).is_some() => faults.push(Fault::new(
                    "authorities",
                    format!("{head} has a meaning of its own and cannot be mapped; name a claim of the issuer's"),
                )),
                Some(_) => {}
            }
        }
        if self.tenant.as_ref().is_some_and(|id| TenantId::new(id).is_err()) {
            faults.push(Fault::new("tenant", "the issuer's tenant is not 1 to 128 of A-Z a-z 0-9 . _ -"));
        }
        if self.tenant.is_some() && self.tenant_at.is_some() {
            faults
                .push(Fault::new("tenant", "both a fixed tenant and a claim that names one; say which of them holds"));
        }
        faults
    }

    /// Reads the grants of a token. `wanted` are the names that `payload` captured members for.
    pub(crate) fn read(&self, payload: &Payload, wanted: &[Box<str>]) -> Result<Grants, VerifyError> {
        let mut grants = Grants { authenticated_at: payload.auth_time, ..Grants::default() };
        match &payload.scope {
            ListClaim::Absent => {}
            ListClaim::One(text) => grants.scopes.insert_lists([payload.text(*text)]),
            ListClaim::Many(_) | ListClaim::Wrong => return Err(wrong_type("scope is not one string")),
        }
        if self.reads_scp {
            if payload.scp == ListClaim::Wrong {
                return Err(wrong_type("scp is neither a string nor a list of strings"));
            }
            grants.scopes.insert_lists(payload.texts(&payload.scp));
        }
        if payload.amr == ListClaim::Wrong {
            return Err(wrong_type("amr is no list of strings"));
        }
        grants.methods.extend(payload.texts(&payload.amr));
        for pointer in &self.groups_at {
            grants.groups.extend(self.names_at(payload, wanted, pointer)?);
        }
        for pointer in &self.roles_at {
            let roles = self.names_at(payload, wanted, pointer)?;
            if self.hierarchy.is_empty() {
                grants.roles.extend(roles);
                continue;
            }
            let implied: BTreeSet<&str> = roles.iter().flat_map(|role| self.hierarchy.implied(role)).collect();
            grants.permissions.extend(implied.iter().flat_map(|role| self.hierarchy.permissions_of(role)));
            grants.roles.extend(implied);
        }
        for pointer in &self.permissions_at {
            grants.permissions.extend(self.names_at(payload, wanted, pointer)?);
        }
        grants.tenant = self.tenant.as_ref().and_then(|id| TenantId::new(id).ok());
        if let Some(pointer) = &self.tenant_at {
            grants.tenant = match value_at(payload, wanted, pointer)? {
                None => None,
                Some(Value::String(tenant)) => {
                    let tenant = TenantId::new(&tenant).map_err(|_| wrong_type("the tenant claim is no tenant id"))?;
                    Some(tenant)
                }
                Some(_) => return Err(wrong_type("the tenant claim is no string")),
            };
        }
        Ok(grants)
    }

    fn names_at(&self, payload: &Payload, wanted: &[Box<str>], pointer: &str) -> Result<Vec<String>, VerifyError> {
        let names = strings_at(payload, wanted, pointer)?;
        if self.prefix.is_empty() {
            return Ok(names);
        }
        Ok(names.into_iter().map(|name| format!("{}{name}", self.prefix)).collect())
    }
}

fn wrong_type(detail: &'static str) -> VerifyError {
    VerifyError::new(Kind::InvalidClaim, detail)
}

/// Splits a JSON pointer into its unescaped first name and the rest.
fn head_and_tail(pointer: &str) -> Option<(&str, &str)> {
    let rest = pointer.strip_prefix('/')?;
    let (head, tail) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (!head.is_empty() && !head.contains('~')).then_some((head, tail))
}

fn value_at(payload: &Payload, wanted: &[Box<str>], pointer: &str) -> Result<Option<Value>, VerifyError> {
    let Some((head, tail)) = head_and_tail(pointer) else { return Ok(None) };
    let Some(json) = payload.captured(wanted, head) else { return Ok(None) };
    let value: Value = serde_json::from_str(json).map_err(|_| wrong_type("a mapped claim is no JSON"))?;
    tail.split('/').skip(1).try_fold(Some(value), |found, step| found.map_or(Ok(None), |value| step_into(value, step)))
}

/// A step through something that is no object grants nothing by accident: it is a wrong type, not an absence.
fn step_into(value: Value, step: &str) -> Result<Option<Value>, VerifyError> {
    match value {
        Value::Object(mut members) => Ok(members.remove(&step.replace("~1", "/").replace("~0", "~"))),
        Value::Array(mut items) => match step.parse::<usize>() {
            Ok(index) if index < items.len() => Ok(Some(items.swap_remove(index))),
            _ => Err(wrong_type("a mapped claim is a list where an object is expected")),
        },
        _ => Err(wrong_type("a mapped claim is no object")),
    }
}

fn strings_at(payload: &Payload, wanted: &[Box<str>], pointer: &str) -> Result<Vec<String>, VerifyError> {
    match value_at(payload, wanted, pointer)? {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => items
            .into_iter()
            .map(|item| match item {
                Value::String(text) => Ok(text),
                _ => Err(wrong_type("a mapped list holds something that is no string")),
            })
            .collect(),
        Some(_) => Err(wrong_type("a mapped claim is no list of strings")),
    }
}
