//! The mapping from an issuer's claims to [`Grants`].

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Grants, Hierarchy};
use crate::claims::TenantId;
use crate::error::{Fault, VerifyError, VerifyErrorKind as Kind};
use crate::token::{ListClaim, Payload, RegisteredClaim};

/// The claims that hold an issuer's authorities and tenant, and the roles that imply others.
///
/// Paths are JSON pointers (RFC 6901). A token whose mapped claim has the wrong type is refused. An absent claim grants
/// nothing.
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
    /// Reads only scopes, from `scope` (RFC 8693 §4.2); no roles, permissions or tenant.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a list of strings, at `pointer`, to read roles from.
    pub fn roles_at(mut self, pointer: impl Into<String>) -> Self {
        self.roles_at.push(pointer.into());
        self
    }

    /// Adds a list of strings, at `pointer`, to read permissions from.
    pub fn permissions_at(mut self, pointer: impl Into<String>) -> Self {
        self.permissions_at.push(pointer.into());
        self
    }

    /// Adds a list of strings, at `pointer`, to read groups from.
    pub fn groups_at(mut self, pointer: impl Into<String>) -> Self {
        self.groups_at.push(pointer.into());
        self
    }

    /// Reads the tenant from the string at `pointer`.
    pub fn tenant_at(mut self, pointer: impl Into<String>) -> Self {
        self.tenant_at = Some(pointer.into());
        self
    }

    /// Gives every token the tenant `id`, for an issuer that serves only one tenant.
    pub fn tenant(mut self, id: impl Into<String>) -> Self {
        self.tenant = Some(id.into());
        self
    }

    /// Puts `prefix` before every role, permission and group of this issuer.
    ///
    /// With the prefix `partner:`, a partner's `admin` becomes `partner:admin` and cannot pass for this service's own
    /// `admin`. Scopes are not prefixed.
    pub fn name_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Also reads scopes from `scp`, a string or a list (Microsoft Entra ID, Okta).
    pub fn scopes_in_scp(mut self) -> Self {
        self.reads_scp = true;
        self
    }

    /// Declares all known roles; any other role in the hierarchy or permission map is a fault.
    ///
    /// Default: the roles that the hierarchy names, if it names any.
    pub fn known_roles(mut self, roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        roles.into_iter().for_each(|role| self.hierarchy.declare(role.into()));
        self
    }

    /// Adds chains of roles, most privileged first, such as `"admin > manager > clerk"`.
    ///
    /// `;` separates chains.
    ///
    /// Building a verifier fails if a role implies itself, directly or through others.
    pub fn hierarchy(mut self, chains: impl Into<String>) -> Self {
        self.hierarchy.add_chains(&chains.into());
        self
    }

    /// Grants `permission` to holders of `role` and of any role that implies it.
    ///
    /// If roles are declared by [`known_roles`](Self::known_roles) or named in the hierarchy, building a verifier fails for
    /// any other role.
    pub fn role_permission(mut self, role: impl Into<String>, permission: impl Into<String>) -> Self {
        self.hierarchy.grant(role.into(), permission.into());
        self
    }

    /// Passes every setting to `add` as a named list, for fingerprints.
    pub(crate) fn describe(&self, add: &mut dyn FnMut(&str, Vec<String>)) {
        add("roles_at", self.roles_at.clone());
        add("permissions_at", self.permissions_at.clone());
        // Added only if used, so that older fingerprints stay the same.
        if !self.groups_at.is_empty() {
            add("groups_at", self.groups_at.clone());
        }
        if let Some(tenant) = &self.tenant {
            add("tenant", vec![tenant.clone()]);
        }
        if !self.prefix.is_empty() {
            add("names_prefixed", vec![self.prefix.clone()]);
        }
        add("tenant_at", self.tenant_at.iter().cloned().collect());
        add("scopes_in_scp", self.reads_scp.then(|| "yes".to_owned()).into_iter().collect());
        self.hierarchy.describe(add);
    }

    /// The top-level claims that the mapping reads.
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
                None => faults
                    .push(Fault::new("authorities", "a path is not a JSON pointer; write it like /realm_access/roles")),
                Some((head, _)) if RegisteredClaim::from_name(head).is_some() => faults.push(Fault::new(
                    "authorities",
                    format!("{head} is a registered claim and cannot be mapped; name a claim that the issuer defines"),
                )),
                Some(_) => {}
            }
        }
        if self.tenant.as_ref().is_some_and(|id| TenantId::new(id).is_err()) {
            faults.push(Fault::new(
                "tenant",
                "the issuer's tenant is not a tenant id; use 1 to 128 characters of A-Z a-z 0-9 . _ -",
            ));
        }
        if self.tenant.is_some() && self.tenant_at.is_some() {
            faults.push(Fault::new("tenant", "tenant and tenant_at are both set; remove one of them"));
        }
        faults
    }

    /// Reads the grants of a token. `claim_names` are the members that `payload` captured.
    pub(crate) fn read(&self, payload: &Payload, claim_names: &[Box<str>]) -> Result<Grants, VerifyError> {
        let mut grants = Grants { authenticated_at: payload.auth_time, ..Grants::default() };
        match &payload.scope {
            ListClaim::Absent => {}
            ListClaim::One(text) => grants.scopes.insert_lists([payload.text(*text)]),
            ListClaim::Many(_) | ListClaim::Wrong => return Err(wrong_type("scope is not a string")),
        }
        if self.reads_scp {
            if payload.scp == ListClaim::Wrong {
                return Err(wrong_type("scp is neither a string nor a list of strings"));
            }
            grants.scopes.insert_lists(payload.texts(&payload.scp));
        }
        if payload.amr == ListClaim::Wrong {
            return Err(wrong_type("amr is not a list of strings"));
        }
        grants.methods.extend(payload.texts(&payload.amr));
        for pointer in &self.groups_at {
            grants.groups.extend(self.names_at(payload, claim_names, pointer)?);
        }
        for pointer in &self.roles_at {
            let roles = self.names_at(payload, claim_names, pointer)?;
            if self.hierarchy.is_empty() {
                grants.roles.extend(roles);
                continue;
            }
            let implied: BTreeSet<&str> = roles.iter().flat_map(|role| self.hierarchy.implied(role)).collect();
            grants.permissions.extend(implied.iter().flat_map(|role| self.hierarchy.permissions_of(role)));
            grants.roles.extend(implied);
        }
        for pointer in &self.permissions_at {
            grants.permissions.extend(self.names_at(payload, claim_names, pointer)?);
        }
        grants.tenant = self.tenant.as_ref().and_then(|id| TenantId::new(id).ok());
        if let Some(pointer) = &self.tenant_at {
            grants.tenant = match value_at(payload, claim_names, pointer)? {
                None => None,
                Some(Value::String(tenant)) => {
                    let tenant =
                        TenantId::new(&tenant).map_err(|_| wrong_type("the tenant claim is not a tenant id"))?;
                    Some(tenant)
                }
                Some(_) => return Err(wrong_type("the tenant claim is not a string")),
            };
        }
        Ok(grants)
    }

    fn names_at(&self, payload: &Payload, claim_names: &[Box<str>], pointer: &str) -> Result<Vec<String>, VerifyError> {
        let names = strings_at(payload, claim_names, pointer)?;
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

fn value_at(payload: &Payload, claim_names: &[Box<str>], pointer: &str) -> Result<Option<Value>, VerifyError> {
    let Some((head, tail)) = head_and_tail(pointer) else { return Ok(None) };
    let Some(json) = payload.captured(claim_names, head) else { return Ok(None) };
    let value: Value = serde_json::from_str(json).map_err(|_| wrong_type("a mapped claim is not JSON"))?;
    tail.split('/').skip(1).try_fold(Some(value), |found, step| found.map_or(Ok(None), |value| step_into(value, step)))
}

/// Follows one step of a pointer.
///
/// A step into a value without members is a wrong type, not an absent claim.
fn step_into(value: Value, step: &str) -> Result<Option<Value>, VerifyError> {
    match value {
        Value::Object(mut members) => Ok(members.remove(&step.replace("~1", "/").replace("~0", "~"))),
        Value::Array(mut items) => match step.parse::<usize>() {
            Ok(index) if index < items.len() => Ok(Some(items.swap_remove(index))),
            _ => Err(wrong_type("a mapped claim is a list; expected an object")),
        },
        _ => Err(wrong_type("a mapped claim is not an object")),
    }
}

fn strings_at(payload: &Payload, claim_names: &[Box<str>], pointer: &str) -> Result<Vec<String>, VerifyError> {
    match value_at(payload, claim_names, pointer)? {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => items
            .into_iter()
            .map(|item| match item {
                Value::String(text) => Ok(text),
                _ => Err(wrong_type("a mapped list contains an item that is not a string")),
            })
            .collect(),
        Some(_) => Err(wrong_type("a mapped claim is not a list of strings")),
    }
}
