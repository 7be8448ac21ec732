//! Rules that all services of the mesh share: the trusted issuer, and the permissions of roles.

use std::time::Duration;

use countersign::authz::{Authorities, OwnTokens};
use countersign::issuers::Preset;
use countersign::policy::{Profile, TrustedIssuer};
use countersign::prelude::*;

/// Trusts the issuer of the mesh for tokens with this audience, strictly by RFC 9068.
pub fn trusted(issuer: &str, audience: &str) -> TrustedIssuer {
    oidc(issuer).audience(audience).profile(Profile::AccessToken).authorities(authorities())
}

/// Trusts Keycloak, whose tokens have another form. Both run on one machine, so their clocks do not differ.
pub fn trusted_keycloak(issuer: &str, audience: &str) -> TrustedIssuer {
    let authorities = authorities().client_at("/azp").own_tokens(OwnTokens::ServiceAccount);
    Preset::KEYCLOAK.issuer(issuer).audience(audience).authorities(authorities).leeway(Duration::from_secs(1))
}

fn authorities() -> Authorities {
    Authorities::new()
        .roles_at("/roles")
        .tenant_at("/tenant")
        .hierarchy("manager > clerk")
        .role_permission("manager", "orders:write")
}

/// The service that exchanged the token: the actor, or, from an issuer that writes no `act`, such as Keycloak, the client.
pub fn asked_by(claims: &Claims) -> Option<&str> {
    claims.actor().or(claims.verified().client_id())
}

/// Allows a client with the scope, and a person whose role has the permission, to create orders.
pub fn may_write() -> Requirement {
    scope("orders:write").or(permission("orders:write"))
}
