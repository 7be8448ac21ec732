//! The mapping from claims to authorities, as data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::authz::{Authorities, NamesClaim, OwnTokens};

/// [`Authorities`] as plain data: the claims that hold an issuer's authorities and tenant.
///
/// Paths are JSON pointers or, without a leading slash, names of top-level claims. A claim of names can also be a table that
/// states its form, as [`NamesClaim`] does: `{"path":"/roles","keys":true}`, `{"path":"/teams","member":"name"}` or
/// `{"path":"/roles","separator":","}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct AuthoritiesConfig {
    /// The paths of lists of roles, such as `/realm_access/roles`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles_at: Vec<NamesClaim>,
    /// The paths of lists of permissions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permissions_at: Vec<NamesClaim>,
    /// The paths of lists of groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups_at: Vec<NamesClaim>,
    /// The paths of the client, the first that is present counts. Default: `client_id`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub client_at: Vec<String>,
    /// The mark of tokens that a client got for itself: `subject_is_client` (default), `subject_at_clients`,
    /// `service_account` or `app_only`.
    #[serde(skip_serializing_if = "super::issuer::is_default")]
    pub own_tokens: OwnTokens,
    /// The path of the tenant, a string that is a tenant id; a token with another text, a list or an object is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_at: Option<String>,
    /// The tenant of every token, for an issuer that serves only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The prefix put before every tenant that is read from a token.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tenant_prefix: String,
    /// The issuer whose tenants the tokens name; needed if several issuers are trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenants_of: Option<String>,
    /// The prefix put before every role, permission and group of this issuer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name_prefix: String,
    /// The issuer whose roles, permissions and groups the tokens name; needed if several issuers have some without a prefix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names_of: Option<String>,
    /// Also reads scopes from `scp`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub scopes_in_scp: bool,
    /// All known roles; any other role in `hierarchy` or `role_permissions` is then a fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub known_roles: Vec<String>,
    /// Chains of roles, most privileged first: `admin > manager > clerk`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hierarchy: Vec<String>,
    /// Chains of scopes, broadest first: `orders:write > orders:read`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scope_hierarchy: Vec<String>,
    /// The permissions granted to each role.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub role_permissions: BTreeMap<String, Vec<String>>,
}

impl AuthoritiesConfig {
    /// Converts the data into the builder's type.
    pub fn to_authorities(&self) -> Authorities {
        let mut authorities = self.roles_at.iter().fold(Authorities::new(), Authorities::roles_at);
        authorities = self.client_at.iter().fold(authorities, Authorities::client_at).own_tokens(self.own_tokens);
        authorities = self.permissions_at.iter().fold(authorities, Authorities::permissions_at);
        authorities = self.groups_at.iter().fold(authorities, Authorities::groups_at);
        authorities = authorities.known_roles(&self.known_roles).name_prefix(&self.name_prefix);
        authorities = authorities.tenant_prefix(&self.tenant_prefix);
        if let Some(issuer) = &self.tenants_of {
            authorities = authorities.tenants_of(issuer);
        }
        if let Some(issuer) = &self.names_of {
            authorities = authorities.names_of(issuer);
        }
        authorities = self.hierarchy.iter().fold(authorities, Authorities::hierarchy);
        authorities = self.scope_hierarchy.iter().fold(authorities, Authorities::scope_hierarchy);
        for (role, permissions) in &self.role_permissions {
            authorities =
                permissions.iter().fold(authorities, |authorities, name| authorities.role_permission(role, name));
        }
        if let Some(pointer) = &self.tenant_at {
            authorities = authorities.tenant_at(pointer);
        }
        if let Some(tenant) = &self.tenant {
            authorities = authorities.tenant(tenant);
        }
        if self.scopes_in_scp { authorities.scopes_in_scp() } else { authorities }
    }
}
