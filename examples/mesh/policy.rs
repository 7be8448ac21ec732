//! Rules that all services of the mesh share: the trusted issuer, and the permissions of roles.

use countersign::authz::Authorities;
use countersign::policy::{Profile, TrustedIssuer};
use countersign::prelude::*;

/// Trusts the issuer of the mesh for tokens with this audience, strictly by RFC 9068.
pub fn trusted(issuer: &str, audience: &str) -> TrustedIssuer {
    let authorities = Authorities::new()
        .roles_at("/roles")
        .tenant_at("/tenant")
        .hierarchy("manager > clerk")
        .role_permission("manager", "orders:write");
    oidc(issuer).audience(audience).profile(Profile::AccessToken).authorities(authorities)
}

/// Allows a client with the scope, and a person whose role has the permission, to create orders.
pub fn may_write() -> Requirement {
    scope("orders:write").or(permission("orders:write"))
}
