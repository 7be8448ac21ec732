//! What a caller may do, read from its token once.

use super::names::Names;
use crate::claims::TenantId;
use crate::clock::UnixTime;

/// The authorities and identity of one verified token, as its issuer's mapping reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grants {
    /// The scopes, each whole and case-sensitive (RFC 6749 §3.3).
    pub scopes: Names,
    /// The roles, with those implied by the hierarchy.
    pub roles: Names,
    /// The permissions, with those that the roles carry.
    pub permissions: Names,
    /// The groups.
    pub groups: Names,
    /// The methods by which the subject authenticated (`amr`, RFC 8176).
    pub methods: Names,
    /// The tenant, where the mapping names one and the token has it.
    pub tenant: Option<TenantId>,
    /// When the subject authenticated (`auth_time`).
    pub authenticated_at: Option<UnixTime>,
}

impl Grants {
    /// What their names hold in memory, in bytes.
    pub(crate) fn held_bytes(&self) -> usize {
        let all = [&self.scopes, &self.roles, &self.permissions, &self.groups, &self.methods];
        all.into_iter().map(Names::held_bytes).sum()
    }
}
