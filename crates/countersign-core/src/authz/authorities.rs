//! The mapping from an issuer's claims to [`Grants`].

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;

use super::client::{client_id, string_at, subject};
use super::names::Names;
use super::names_claim::NamesClaim;
use super::namespaces::{NamedBy, Namespaces};
use super::pointer::{fault, head_and_tail, mismatch, normalized, type_of, value_at, wrong_type};
use super::unknown::{Fact, UnknownFacts};
use super::{Grants, Hierarchy, OwnTokens};
use crate::claims::TenantId;
use crate::error::{Fault, VerifyError};
use crate::token::{ListClaim, Payload, RegisteredClaim};

/// The claims that hold an issuer's authorities and tenant, and the roles that imply others.
///
/// Paths are JSON pointers (RFC 6901) or, without a leading slash, names of top-level claims, which may be addresses such as
/// `https://shop.example/roles`. A token whose mapped claim has the wrong type is refused. An absent claim, or `null`, grants
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
    roles_at: Vec<NamesClaim>,
    permissions_at: Vec<NamesClaim>,
    groups_at: Vec<NamesClaim>,
    client_at: Vec<String>,
    own_tokens: OwnTokens,
    tenant_at: Option<String>,
    tenant: Option<String>,
    tenant_prefix: String,
    tenants_of: Option<String>,
    prefix: String,
    names_of: Option<String>,
    reads_scp: bool,
    hierarchy: Hierarchy,
    scopes: Hierarchy,
}

impl Authorities {
    /// Reads only scopes, from `scope` (RFC 8693 §4.2); no roles, permissions or tenant.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a list of strings, or one string, to read roles from; [`NamesClaim`] states other forms.
    pub fn roles_at(mut self, claim: impl Into<NamesClaim>) -> Self {
        self.roles_at.push(claim.into());
        self
    }

    /// Adds a list of strings, or one string, to read permissions from; [`NamesClaim`] states other forms.
    pub fn permissions_at(mut self, claim: impl Into<NamesClaim>) -> Self {
        self.permissions_at.push(claim.into());
        self
    }

    /// Adds a list of strings, or one string, to read groups from; [`NamesClaim`] states other forms.
    pub fn groups_at(mut self, claim: impl Into<NamesClaim>) -> Self {
        self.groups_at.push(claim.into());
        self
    }

    /// Adds a path to read the client from, such as `/azp`. The first claim that is present counts. Default: `client_id`.
    ///
    /// [`client`](super::client), [`allowed_client`](crate::policy::TrustedIssuer::allowed_client) and
    /// [`Verified::client_id`](crate::verify::Verified::client_id) use it. [`own_tokens`](Self::own_tokens) states which tokens
    /// are the client's own.
    pub fn client_at(mut self, path: impl Into<String>) -> Self {
        self.client_at.push(normalized(path.into()));
        self
    }

    /// The mapping of the client alone.
    pub(crate) fn clients_only(self) -> Self {
        let Authorities { client_at, own_tokens, .. } = self;
        Authorities { client_at, own_tokens, ..Authorities::new() }
    }

    /// States how the issuer marks the tokens that a client got for itself. Default: the subject is the client's id.
    pub fn own_tokens(mut self, mark: OwnTokens) -> Self {
        self.own_tokens = mark;
        self
    }

    /// Reads the tenant from the string at `path`.
    ///
    /// A tenant is a [`TenantId`]: a token whose claim is another text, such as `Acme GmbH`, a list or an object is refused with
    /// `invalid_claim`. If the issuer writes display names, or several organizations as Keycloak does, have it add one id.
    pub fn tenant_at(mut self, path: impl Into<String>) -> Self {
        self.tenant_at = Some(normalized(path.into()));
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
    /// a tenant without a prefix is one and the same for all of them. So must an issuer with a fixed [`tenant`](Self::tenant),
    /// or one that is pinned by [`required_claim_value`](crate::policy::TrustedIssuer::required_claim_value), that another
    /// issuer's tokens could name.
    pub fn tenants_of(mut self, issuer: impl Into<String>) -> Self {
        self.tenants_of = Some(issuer.into());
        self
    }

    /// Puts `prefix` before every role, permission and group of this issuer.
    ///
    /// With several trusted issuers, each mapping of roles, permissions or groups except one needs a prefix of its own, or
    /// [`names_of`](Self::names_of). Tokens of other issuers whose names start with the prefix are refused.
    ///
    /// With the prefix `partner:`, a partner's `admin` becomes `partner:admin` and cannot pass for this service's own
    /// `admin`. The hierarchy and the permissions of roles name roles without the prefix; what they imply gets it.
    ///
    /// Scopes are not prefixed, because clients request them by name: each issuer grants the scopes of its own tokens. If a
    /// scope of one issuer must not open a route, require the issuer too:
    /// `scope("orders:write").and(issued_by("https://id.example.com"))`.
    ///
    /// ```
    /// use countersign_core::authz::Authorities;
    ///
    /// let of_partner = Authorities::new().roles_at("/roles").hierarchy("admin > clerk").name_prefix("partner:");
    /// // A token with the role `admin` has the roles `partner:admin` and `partner:clerk`.
    /// # let _ = of_partner;
    /// ```
    pub fn name_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// States that the roles, permissions and groups read from this issuer's tokens are those of `issuer`: this one, or the
    /// one whose names it may use.
    ///
    /// Needed only if several issuers are trusted and more than one has such names without a prefix. They must then all name
    /// the same issuer, because a role without a prefix is one and the same for all of them.
    ///
    /// ```
    /// use countersign_core::authz::Authorities;
    ///
    /// // A second issuer of the same company: its `admin` is our `admin`.
    /// let of_branch = Authorities::new().roles_at("/roles").names_of("https://id.example.com");
    /// # let _ = of_branch;
    /// ```
    pub fn names_of(mut self, issuer: impl Into<String>) -> Self {
        self.names_of = Some(issuer.into());
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

    /// Adds chains of scopes, broadest first, such as `"orders:* > orders:write > orders:read"`.
    ///
    /// A token with a broader scope has the narrower ones too. `;` separates chains. Without a chain no scope implies another,
    /// whatever its name looks like.
    ///
    /// Building a verifier fails if a scope implies itself, directly or through others.
    pub fn scope_hierarchy(mut self, chains: impl Into<String>) -> Self {
        self.scopes.add_chains(&chains.into());
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
        let described = |claims: &[NamesClaim]| claims.iter().map(NamesClaim::describe).collect::<Vec<_>>();
        add("roles_at", described(&self.roles_at));
        add("permissions_at", described(&self.permissions_at));
        // Added only if used, so that older fingerprints stay the same.
        if !self.groups_at.is_empty() {
            add("groups_at", described(&self.groups_at));
        }
        if !self.client_at.is_empty() {
            // In order: the first that is present counts.
            add("client_at", vec![self.client_at.join(" ")]);
        }
        if let Some(mark) = self.own_tokens.describe() {
            add("own_tokens", vec![mark.to_owned()]);
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
        if let Some(issuer) = &self.tenants_of {
            add("tenants_of", vec![issuer.clone()]);
        }
        if let Some(issuer) = &self.names_of {
            add("names_of", vec![issuer.clone()]);
        }
        if !self.scopes.is_empty() {
            add("scope_hierarchy", self.scopes.describe_chains());
        }
        add("tenant_at", self.tenant_at.iter().cloned().collect());
        add("scopes_in_scp", self.reads_scp.then(|| "yes".to_owned()).into_iter().collect());
        self.hierarchy.describe(add);
    }

    /// The top-level claims that the mapping reads.
    pub(crate) fn claim_names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let heads = self.pointers().chain(self.client_at.iter().map(String::as_str));
        let heads = heads.filter_map(|pointer| head_and_tail(pointer).map(|(head, _)| head));
        heads.chain(self.own_tokens.claim_names().iter().map(|name| Cow::Borrowed(*name)))
    }

    /// The pointers of everything but the client.
    fn pointers(&self) -> impl Iterator<Item = &str> {
        let names = self.roles_at.iter().chain(&self.permissions_at).chain(&self.groups_at);
        names.map(NamesClaim::pointer).chain(self.tenant_at.as_deref())
    }

    /// The client of a token.
    #[inline]
    pub(crate) fn client<'p>(
        &self,
        payload: &'p Payload,
        claim_names: &[Box<str>],
    ) -> Result<Option<Cow<'p, str>>, VerifyError> {
        if self.own_tokens == OwnTokens::Workload {
            return Ok(subject(payload));
        }
        if self.client_at.is_empty() {
            return Ok(client_id(payload));
        }
        self.mapped_client(payload, claim_names)
    }

    fn mapped_client<'p>(
        &self,
        payload: &'p Payload,
        claim_names: &[Box<str>],
    ) -> Result<Option<Cow<'p, str>>, VerifyError> {
        for pointer in &self.client_at {
            if let Some(client) = string_at(payload, claim_names, pointer)? {
                return Ok(Some(client));
            }
        }
        Ok(None)
    }

    /// Returns whether the client of a token got it for itself.
    #[inline]
    pub(crate) fn is_own(
        &self,
        payload: &Payload,
        claim_names: &[Box<str>],
        client: &str,
    ) -> Result<bool, VerifyError> {
        self.own_tokens.is_own(payload, claim_names, client)
    }

    /// Returns whether a claim that names the client is elsewhere, of which `is_elsewhere` decides by name.
    pub(crate) fn is_client_elsewhere(&self, is_elsewhere: impl Fn(&str) -> bool) -> bool {
        if self.own_tokens == OwnTokens::Workload {
            return is_elsewhere("sub");
        }
        match self.client_at.is_empty() {
            true => is_elsewhere("client_id"),
            false => {
                self.client_at.iter().any(|pointer| head_and_tail(pointer).is_some_and(|(head, _)| is_elsewhere(&head)))
            }
        }
    }

    /// The claims that name the client, as text.
    pub(crate) fn client_claims(&self) -> String {
        match self.client_at.is_empty() {
            _ if self.own_tokens == OwnTokens::Workload => "sub".to_owned(),
            true => "client_id".to_owned(),
            false => {
                self.client_at.iter().map(|pointer| pointer.trim_start_matches('/')).collect::<Vec<_>>().join(" or ")
            }
        }
    }

    /// Returns whether the tenant is the top-level claim `name`.
    pub(crate) fn has_tenant_claim(&self, name: &str) -> bool {
        let parts = self.tenant_at.as_deref().and_then(head_and_tail);
        parts.is_some_and(|(head, tail)| head == name && tail.is_empty())
    }

    /// The path of the tenant claim, the prefix of its tenants, and the issuer that they are named to be of.
    pub(crate) fn tenant_claim(&self) -> Option<(&str, &str, Option<&str>)> {
        Some((self.tenant_at.as_deref()?, &self.tenant_prefix, self.tenants_of.as_deref()))
    }

    /// The names that tokens of `issuer` can have.
    ///
    /// A tenant claim without a prefix that is pinned to one value is a fixed tenant: others must not be able to name it.
    pub(crate) fn named_by<'a>(&'a self, issuer: &'a str, pinned_tenant: Option<&'a str>) -> NamedBy<'a> {
        let of = self.tenants_of.as_deref();
        let tenants = self.tenant_claim().map(|(_, prefix, of)| (prefix, of));
        let pinned = pinned_tenant.filter(|_| self.tenant_prefix.is_empty());
        NamedBy {
            issuer,
            names: self.names_claim(),
            tenants: tenants.filter(|_| pinned.is_none()),
            fixed_tenant: self.tenant.as_deref().or(pinned).map(|tenant| (tenant, of)),
        }
    }

    /// The prefix of roles, permissions and groups, and the issuer that they are stated to be of; `None` if none are read.
    pub(crate) fn names_claim(&self) -> Option<(&str, Option<&str>)> {
        let has_names = !(self.roles_at.is_empty() && self.permissions_at.is_empty() && self.groups_at.is_empty());
        has_names.then_some((&self.prefix, self.names_of.as_deref()))
    }

    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = self.hierarchy.faults();
        faults.extend(self.scopes.chain_faults("scope_hierarchy", "scope", "orders:write > orders:read"));
        for pointer in self.pointers().chain(self.client_at.iter().map(String::as_str)) {
            faults.extend(fault(pointer).map(|problem| Fault::new("authorities", problem)));
        }
        let registered = |pointer: &&str| {
            let (head, _) = head_and_tail(pointer)?;
            RegisteredClaim::from_name(&head).map(RegisteredClaim::name)
        };
        let of_client = self.client_at.iter().map(String::as_str).filter(|pointer| *pointer != "/client_id");
        for name in self.pointers().chain(of_client).filter_map(|pointer| registered(&pointer)) {
            let problem =
                format!("{name} is a registered claim and cannot be mapped; name a claim that the issuer defines");
            faults.push(Fault::new("authorities", problem));
        }
        let names = self.roles_at.iter().chain(&self.permissions_at).chain(&self.groups_at);
        faults.extend(names.filter_map(NamesClaim::fault).map(|problem| Fault::new("authorities", problem)));
        if self.tenant.as_ref().is_some_and(|id| TenantId::new(id).is_err()) {
            faults.push(Fault::new(
                "tenant",
                "the issuer's tenant is not a tenant id; use 1 to 128 characters of A-Z a-z 0-9 . _ -",
            ));
        }
        if !self.tenant_prefix.is_empty() && TenantId::new(format!("{}x", self.tenant_prefix)).is_err() {
            faults.push(Fault::new("tenant_prefix", "no tenant id starts so; use characters of A-Z a-z 0-9 . _ -"));
        }
        let is_tenant_stated = self.tenants_of.is_some() && self.tenant.is_none();
        if self.tenant_at.is_none() && (!self.tenant_prefix.is_empty() || is_tenant_stated) {
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

    /// Reads the grants of a token of `issuer`. `claim_names` are the members that `payload` captured.
    pub(crate) fn read(
        &self,
        issuer: &str,
        payload: &Payload,
        claim_names: &[Box<str>],
        namespaces: &Namespaces,
    ) -> Result<Grants, VerifyError> {
        let names_at = |claim: &NamesClaim| self.names_at(payload, claim_names, claim, namespaces);
        let distributed: Names = payload.distributed()?.into_iter().collect();
        let unknown = self.unknown_facts(&distributed);
        let mut grants = Grants { authenticated_at: payload.auth_time, distributed, unknown, ..Grants::default() };
        add_scopes(&mut grants.scopes, payload, &payload.scope, "scope")?;
        if self.reads_scp {
            add_scopes(&mut grants.scopes, payload, &payload.scp, "scp")?;
        }
        if !self.scopes.is_empty() {
            let implied: BTreeSet<&str> = grants.scopes.iter().flat_map(|scope| self.scopes.implied(scope)).collect();
            grants.scopes = implied.into_iter().collect();
        }
        if payload.amr == ListClaim::Wrong {
            return Err(wrong_type("amr is not a list of strings"));
        }
        grants.methods.extend(payload.texts(&payload.amr));
        let is_empty_list = matches!(&payload.amr, ListClaim::Many(_)) && payload.texts(&payload.amr).next().is_none();
        if grants.methods.is_empty() && !is_empty_list {
            grants.unknown.insert(Fact::Methods); // absent, or empty strings only
        }
        for claim in &self.groups_at {
            grants.groups.extend(self.prefixed(names_at(claim)?));
        }
        for claim in &self.roles_at {
            let roles = names_at(claim)?;
            if self.hierarchy.is_empty() {
                grants.roles.extend(self.prefixed(roles));
                continue;
            }
            let implied: BTreeSet<&str> = roles.iter().flat_map(|role| self.hierarchy.implied(role)).collect();
            let permissions = implied.iter().flat_map(|role| self.hierarchy.permissions_of(role));
            grants.permissions.extend(self.prefixed(permissions));
            grants.roles.extend(self.prefixed(implied));
        }
        for claim in &self.permissions_at {
            grants.permissions.extend(self.prefixed(names_at(claim)?));
        }
        grants.tenant = self.tenant.as_ref().and_then(|id| TenantId::new(id).ok());
        if let Some(pointer) = &self.tenant_at {
            grants.tenant = match value_at(payload, claim_names, pointer)? {
                None => None,
                Some(Value::String(tenant)) => Some(self.tenant_from(pointer, &tenant, issuer, namespaces)?),
                Some(other) => return Err(mismatch(pointer, "a tenant id", type_of(&other))),
            };
        }
        if grants.unknown.contains(Fact::Tenant) {
            grants.tenant = None; // no handler uses what every rule calls unknown
        }
        Ok(grants)
    }

    /// Returns whether callers of this issuer can have a tenant.
    pub(crate) fn maps_tenant(&self) -> bool {
        self.tenant.is_some() || self.tenant_at.is_some()
    }

    /// The facts that the claims elsewhere would state.
    fn unknown_facts(&self, distributed: &Names) -> UnknownFacts {
        let mut unknown = UnknownFacts::default();
        if distributed.is_empty() {
            return unknown;
        }
        let is_elsewhere = |pointer: &str| head_and_tail(pointer).is_some_and(|(head, _)| distributed.contains(&head));
        let are_elsewhere = |claims: &[NamesClaim]| claims.iter().any(|claim| is_elsewhere(claim.pointer()));
        let are_roles_elsewhere = are_elsewhere(&self.roles_at);
        let is_client_elsewhere = self.is_client_elsewhere(|name| distributed.contains(name));
        let is_mark_elsewhere = self.own_tokens.marks().any(|name| distributed.contains(name));
        for (fact, is_unknown) in [
            (Fact::Scopes, distributed.contains("scope") || self.reads_scp && distributed.contains("scp")),
            (Fact::Methods, distributed.contains("amr")),
            (Fact::LoginTime, distributed.contains("auth_time")),
            (Fact::Roles, are_roles_elsewhere),
            (Fact::Groups, are_elsewhere(&self.groups_at)),
            (Fact::Client, is_client_elsewhere || is_mark_elsewhere),
            // Roles grant permissions.
            (
                Fact::Permissions,
                are_elsewhere(&self.permissions_at) || are_roles_elsewhere && !self.hierarchy.is_empty(),
            ),
            (Fact::Tenant, self.tenant_at.as_deref().is_some_and(is_elsewhere)),
        ] {
            if is_unknown {
                unknown.insert(fact);
            }
        }
        unknown
    }

    fn tenant_from(
        &self,
        pointer: &str,
        claimed: &str,
        issuer: &str,
        namespaces: &Namespaces,
    ) -> Result<TenantId, VerifyError> {
        let invalid = |_| {
            wrong_type(format!(
                "{pointer}: not a tenant id, which is 1 to 128 characters of A-Z a-z 0-9 . _ - and no other"
            ))
        };
        let own = TenantId::new(claimed).map_err(invalid)?;
        let tenant = match self.tenant_prefix.is_empty() {
            true => own,
            false => TenantId::new(format!("{}{claimed}", self.tenant_prefix)).map_err(invalid)?,
        };
        match namespaces.is_tenant_of_another(issuer, tenant.as_str()) {
            true => Err(wrong_type("the tenant claim starts with the tenant prefix of another issuer")),
            false => Ok(tenant),
        }
    }

    /// The names in a claim, without the prefix.
    fn names_at(
        &self,
        payload: &Payload,
        claim_names: &[Box<str>],
        claim: &NamesClaim,
        namespaces: &Namespaces,
    ) -> Result<Vec<String>, VerifyError> {
        let names = claim.read(payload, claim_names)?;
        // A name with the prefix of this issuer starts with no other, and without one the issuer has none of its own.
        let is_foreign = |name: &String| self.prefix.is_empty() && namespaces.has_name_prefix(name);
        match names.iter().any(is_foreign) {
            true => {
                Err(wrong_type(format!("{}: a name starts with the name prefix of another issuer", claim.pointer())))
            }
            false => Ok(names),
        }
    }

    /// The names with the prefix of this issuer.
    fn prefixed<'n, N: Into<Cow<'n, str>>>(
        &self,
        names: impl IntoIterator<Item = N>,
    ) -> impl Iterator<Item = Cow<'n, str>> {
        names.into_iter().map(|name| match self.prefix.is_empty() {
            true => name.into(),
            false => Cow::Owned(format!("{}{}", self.prefix, name.into())),
        })
    }
}

/// Adds the scopes of a claim: a string of words, or a list of which each entry is one word.
#[inline]
fn add_scopes(scopes: &mut Names, payload: &Payload, claim: &ListClaim, name: &str) -> Result<(), VerifyError> {
    match claim {
        ListClaim::Absent => {}
        ListClaim::One(text) => scopes.insert_lists([payload.text(*text)]),
        ListClaim::Many(_) => {
            if payload.texts(claim).any(|word| word.contains(char::is_whitespace)) {
                return Err(wrong_type(format!(
                    "{name}: expected one word in each entry of the list, found a space in one"
                )));
            }
            scopes.extend(payload.texts(claim).filter(|word| !word.is_empty()));
        }
        ListClaim::Wrong => return Err(wrong_type(format!("{name} is neither a string nor a list of strings"))),
    }
    Ok(())
}
