//! The addresses and the policy of a provider of each shape.

use clap::ValueEnum;

/// The provider whose tokens and addresses are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::command) enum Shape {
    /// RFC 9068: client_id, scope, roles, tenant
    Plain,
    /// Keycloak: a realm, azp, realm_access.roles, typ Bearer
    Keycloak,
    /// Auth0: a trailing slash, azp, permissions, roles, org_id
    Auth0,
}

impl Shape {
    /// The issuer's name, for a provider at `origin`.
    pub(in crate::command) fn issuer(self, origin: &str) -> String {
        match self {
            Shape::Plain => origin.to_owned(),
            Shape::Keycloak => format!("{origin}/realms/dev"),
            Shape::Auth0 => format!("{origin}/"),
        }
    }

    /// The path before `/.well-known`.
    pub(super) const fn base(self) -> &'static str {
        match self {
            Shape::Keycloak => "/realms/dev",
            Shape::Plain | Shape::Auth0 => "",
        }
    }

    pub(super) const fn jwks_path(self) -> &'static str {
        match self {
            Shape::Keycloak => "/realms/dev/protocol/openid-connect/certs",
            Shape::Plain | Shape::Auth0 => "/.well-known/jwks.json",
        }
    }

    pub(super) const fn token_path(self) -> &'static str {
        match self {
            Shape::Plain => "/token",
            Shape::Keycloak => "/realms/dev/protocol/openid-connect/token",
            Shape::Auth0 => "/oauth/token",
        }
    }

    /// The `typ` header of its access tokens.
    pub(in crate::command) const fn token_type(self) -> &'static str {
        match self {
            Shape::Plain => "at+jwt",
            Shape::Keycloak | Shape::Auth0 => "JWT",
        }
    }

    /// The policy of a service for its tokens.
    pub(super) fn policy(self, issuer: &str, audience: &str) -> String {
        // What the preset gives is not repeated.
        let (preset, authorities) = match self {
            Shape::Plain => {
                ("", "roles_at = [\"/roles\"]\npermissions_at = [\"/permissions\"]\ntenant_at = \"/tenant\"")
            }
            Shape::Keycloak => ("preset = \"keycloak_realm\"\n", "tenant_at = \"/tenant\""),
            Shape::Auth0 => ("preset = \"auth0\"\n", "roles_at = [\"/roles\"]"),
        };
        let text = |text: &str| serde_json::Value::from(text).to_string(); // the escapes of TOML too
        format!(
            "[[issuers]]\n{preset}issuer = {}\naudience = {}\n\n[issuers.authorities]\n{authorities}\n",
            text(issuer),
            text(audience)
        )
    }
}
