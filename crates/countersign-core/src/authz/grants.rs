//! The authorities of a caller, read once from its token.

use super::names::Names;
use super::unknown::UnknownFacts;
use crate::claims::TenantId;
use crate::clock::UnixTime;

/// The authorities and tenant of a verified token, read by its issuer's mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grants {
    /// The scopes, compared as a whole and by case (RFC 6749 §3.3).
    pub scopes: Names,
    /// The roles, including those that the hierarchy implies.
    pub roles: Names,
    /// The permissions, including those that the roles grant.
    pub permissions: Names,
    /// The groups.
    pub groups: Names,
    /// The methods by which the subject authenticated (`amr`, RFC 8176).
    pub methods: Names,
    /// The tenant, if the mapping names one and the token has it.
    pub tenant: Option<TenantId>,
    /// The time at which the subject authenticated (`auth_time`).
    pub authenticated_at: Option<UnixTime>,
    /// The claims that the token declares but does not contain (`_claim_names` of OpenID Connect, `hasgroups`).
    ///
    /// What they would grant is unknown: rules over it refuse, and so do their negations.
    pub distributed: Names,
    pub(crate) unknown: UnknownFacts,
}

impl Grants {
    /// The heap memory of all names and of the tenant, in bytes.
    pub(crate) fn held_bytes(&self) -> usize {
        let all = [&self.scopes, &self.roles, &self.permissions, &self.groups, &self.methods, &self.distributed];
        let tenant = self.tenant.as_ref().map_or(0, |tenant| tenant.as_str().len());
        tenant + all.into_iter().map(Names::held_bytes).sum::<usize>()
    }
}
