//! The rules that every service of the mesh shares: whom they trust, and what a role may do.

use countersign::authz::Authorities;
use countersign::policy::{Profile, TrustedIssuer};
use countersign::prelude::*;

/// Tokens of the mesh's issuer for `audience`, strict by RFC 9068.
pub fn trusted(issuer: &str, audience: &str) -> TrustedIssuer {
    let authorities = Authorities::new()
        .roles_at("/roles")
        .tenant_at("/tenant")
        .hierarchy("manager > clerk")
        .role_permission("manager", "orders:write");
    oidc(issuer).audience(audience).profile(Profile::AccessToken).authorities(authorities)
}

/// Who may create orders: a client with the scope, or a person whose role carries the permission.
pub fn may_write() -> Requirement {
    scope("orders:write").or(permission("orders:write"))
}
