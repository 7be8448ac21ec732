//! The mapping from an issuer's claims to [`Grants`].

use std::collections::BTreeSet;

use serde_json::Value;

use super::names::Names;
use super::pointer::{head_and_tail, mismatch, strings_at, type_of, value_at, wrong_type};
use super::unknown::{Fact, UnknownFacts};
use super::{Grants, Hierarchy};
use crate::claims::TenantId;
use crate::error::{Fault, VerifyError};
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
    tenant_prefix: String,
    tenants_of: Option<String>,
    prefix: String,
    reads_scp: bool,
    hierarchy: Hierarchy,
    foreign: ForeignPrefixes,
}

/// The prefixes of the other issuers, which no name of this one may have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ForeignPrefixes {
    names: Vec<String>,
    tenants: Vec<String>,
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

    /// Puts `prefix` before every tenant that is read from a token, so that `acme` of this issuer is not the `acme` of another.
    ///
    /// With several trusted issuers, each mapping with [`tenant_at`](Self::tenant_at) needs a prefix of its own, or
    /// [`tenants_of`](Self::tenants_of). Tokens of other issuers whose tenant starts with the prefix are refused.
    ///
    /// ```
    /// use countersign_core::authz::Authorities;
    ///
    /// let of_partner = Authorities::new().tenant_at("/org").tenant_prefix("partner."); // `acme` becomes `partner.acme`
    /// # let _ = of_partner;
    /// ```
    pub fn tenant_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.tenant_prefix = prefix.into();
        self
    }

    /// States that the tenants read from this issuer's tokens are those of `issuer`: this one, or the one whose tenants it may
    /// name.
    ///
    /// Needed only if several issuers are trusted. Mappings without a prefix must then all name the same issuer, because
    /// a tenant without a prefix is one and the same for all of them.
    pub fn tenants_of(mut self, issuer: impl Into<String>) -> Self {
        self.tenants_of = Some(issuer.into());
        self
    }

    /// Puts `prefix` before every role, permission and group of this issuer.
    ///
    /// Tokens of other issuers whose names start with the prefix are refused.
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
        if !self.tenant_prefix.is_empty() {
            add("tenant_prefix", vec![self.tenant_prefix.clone()]);
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

    /// The path of the tenant claim, the prefix of its tenants, and the issuer that they are named to be of.
    pub(crate) fn tenant_claim(&self) -> Option<(&str, &str, Option<&str>)> {
        Some((self.tenant_at.as_deref()?, &self.tenant_prefix, self.tenants_of.as_deref()))
    }

    /// The tenant of every token.
    pub(crate) fn fixed_tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// The prefix of roles, permissions and groups; empty if there is none.
    pub(crate) fn names_prefix(&self) -> &str {
        &self.prefix
    }

    /// Sets the prefixes that only other issuers may use.
    pub(crate) fn refuse_prefixes(&mut self, names: Vec<String>, tenants: Vec<String>) {
        self.foreign = ForeignPrefixes { names, tenants };
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
        if !self.tenant_prefix.is_empty() && TenantId::new(format!("{}x", self.tenant_prefix)).is_err() {
            faults.push(Fault::new("tenant_prefix", "no tenant id starts so; use characters of A-Z a-z 0-9 . _ -"));
        }
        if self.tenant_at.is_none() && (!self.tenant_prefix.is_empty() || self.tenants_of.is_some()) {
            faults.push(Fault::new(
                "tenant_prefix",
                "no tenant is read from tokens; set tenant_at, or remove the setting",
            ));
        }
        if self.tenant.is_some() && self.tenant_at.is_some() {
            faults.push(Fault::new("tenant", "tenant and tenant_at are both set; remove one of them"));
        }
        faults
    }

    /// Reads the grants of a token. `claim_names` are the members that `payload` captured.
    pub(crate) fn read(&self, payload: &Payload, claim_names: &[Box<str>]) -> Result<Grants, VerifyError> {
        let distributed: Names = payload.distributed()?.into_iter().collect();
        let unknown = self.unknown_facts(&distributed);
        let mut grants = Grants { authenticated_at: payload.auth_time, distributed, unknown, ..Grants::default() };
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
        if payload.amr == ListClaim::Absent {
            grants.unknown.insert(Fact::Methods);
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
                Some(Value::String(tenant)) => Some(self.tenant_from(&tenant)?),
                Some(other) => return Err(mismatch(pointer, "a tenant id", type_of(&other))),
            };
        }
        Ok(grants)
    }

    /// The facts that the claims elsewhere would state.
    fn unknown_facts(&self, distributed: &Names) -> UnknownFacts {
        let mut unknown = UnknownFacts::default();
        if distributed.is_empty() {
            return unknown;
        }
        let is_elsewhere =
            |pointer: &String| head_and_tail(pointer).is_some_and(|(head, _)| distributed.contains(head));
        let are_roles_elsewhere = self.roles_at.iter().any(is_elsewhere);
        for (fact, is_unknown) in [
            (Fact::Scopes, distributed.contains("scope") || self.reads_scp && distributed.contains("scp")),
            (Fact::Methods, distributed.contains("amr")),
            (Fact::LoginTime, distributed.contains("auth_time")),
            (Fact::Roles, are_roles_elsewhere),
            (Fact::Groups, self.groups_at.iter().any(is_elsewhere)),
            // Roles grant permissions.
            (
                Fact::Permissions,
                self.permissions_at.iter().any(is_elsewhere) || are_roles_elsewhere && !self.hierarchy.is_empty(),
            ),
            (Fact::Tenant, self.tenant_at.iter().any(is_elsewhere)),
        ] {
            if is_unknown {
                unknown.insert(fact);
            }
        }
        unknown
    }

    fn tenant_from(&self, claimed: &str) -> Result<TenantId, VerifyError> {
        let invalid = |_| wrong_type("the tenant claim is not a tenant id");
        let own = TenantId::new(claimed).map_err(invalid)?;
        let tenant = match self.tenant_prefix.is_empty() {
            true => own,
            false => TenantId::new(format!("{}{claimed}", self.tenant_prefix)).map_err(invalid)?,
        };
        match self.foreign.tenants.iter().any(|prefix| tenant.as_str().starts_with(prefix)) {
            true => Err(wrong_type("the tenant claim starts with the tenant prefix of another issuer")),
            false => Ok(tenant),
        }
    }

    fn names_at(&self, payload: &Payload, claim_names: &[Box<str>], pointer: &str) -> Result<Vec<String>, VerifyError> {
        let mut names = strings_at(payload, claim_names, pointer)?;
        if !self.prefix.is_empty() {
            names.iter_mut().for_each(|name| name.insert_str(0, &self.prefix));
        }
        let is_foreign = |name: &String| self.foreign.names.iter().any(|prefix| name.starts_with(prefix));
        match names.iter().any(is_foreign) {
            true => Err(wrong_type(format!("{pointer}: a name starts with the name prefix of another issuer"))),
            false => Ok(names),
        }
    }
}
