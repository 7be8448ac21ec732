//! What well-known providers write into their tokens, as data.

use std::sync::Arc;

use countersign_core::authz::Authorities;
use countersign_core::key::KeySource;
use countersign_core::policy::{NeedsAudience, TrustedIssuer};

use super::RemoteKeys;

/// A provider's habits: where it writes scopes, roles and tenant, and what its access tokens lack.
///
/// A preset ends in a [`TrustedIssuer`], whose every setting can be changed afterwards. It never names the issuer: that is
/// your tenant's, letter by letter as in its discovery document.
///
/// ```
/// use countersign::keys::Preset;
/// use countersign::prelude::*;
///
/// let auth0 = Preset::AUTH0.issuer("https://acme.eu.auth0.com/").audience("https://orders.example");
/// let cognito = Preset::COGNITO.issuer("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a1B2").audience("client-1");
/// let verifier = Verifier::builder().trust(auth0).trust(cognito).build()?;
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preset {
    /// The provider.
    pub name: &'static str,
    /// Roles and groups, as JSON pointers; `{audience}` stands for the audience.
    pub roles_at: &'static [&'static str],
    /// Permissions, as JSON pointers.
    pub permissions_at: &'static [&'static str],
    /// The tenant, as a JSON pointer.
    pub tenant_at: Option<&'static str>,
    /// Whether scopes are in `scp`.
    pub scopes_in_scp: bool,
    /// Whether access tokens have no `aud`, and the audience is the client's id.
    pub client_id_for_absent_audience: bool,
    /// Claims that its access tokens have and its other tokens lack.
    pub required: &'static [&'static str],
}

const PLAIN: Preset = Preset {
    name: "",
    roles_at: &[],
    permissions_at: &[],
    tenant_at: None,
    scopes_in_scp: false,
    client_id_for_absent_audience: false,
    required: &[],
};

impl Preset {
    /// Keycloak; issuer `https://HOST/realms/REALM`. Roles are those of the client that is the audience, not the realm's.
    pub const KEYCLOAK: Preset = Preset { name: "Keycloak", roles_at: &["/resource_access/{audience}/roles"], ..PLAIN };

    /// Auth0; issuer `https://TENANT.auth0.com/`, with the slash at its end. Permissions need RBAC turned on at the API.
    pub const AUTH0: Preset =
        Preset { name: "Auth0", permissions_at: &["/permissions"], tenant_at: Some("/org_id"), ..PLAIN };

    /// Okta with a custom authorization server; issuer `https://ORG.okta.com/oauth2/SERVER`. The org server's access tokens
    /// are not for services.
    pub const OKTA: Preset = Preset { name: "Okta", roles_at: &["/groups"], scopes_in_scp: true, ..PLAIN };

    /// Microsoft Entra ID, tokens of version 1; issuer `https://sts.windows.net/TENANT/`.
    pub const ENTRA_V1: Preset = Preset {
        name: "Microsoft Entra ID v1",
        roles_at: &["/roles"],
        tenant_at: Some("/tid"),
        scopes_in_scp: true,
        required: &["tid"],
        ..PLAIN
    };

    /// Microsoft Entra ID, tokens of version 2; issuer `https://login.microsoftonline.com/TENANT/v2.0`.
    pub const ENTRA_V2: Preset = Preset { name: "Microsoft Entra ID v2", ..Preset::ENTRA_V1 };

    /// Amazon Cognito; issuer `https://cognito-idp.REGION.amazonaws.com/POOL`. The audience is the app client's id, read
    /// from `client_id`, which its ID tokens lack.
    pub const COGNITO: Preset = Preset {
        name: "Amazon Cognito",
        roles_at: &["/cognito:groups"],
        client_id_for_absent_audience: true,
        required: &["client_id"],
        ..PLAIN
    };

    /// Google, tokens of service accounts for a service; issuer `https://accounts.google.com`. The tenant is the Workspace
    /// domain.
    pub const GOOGLE: Preset = Preset { name: "Google", tenant_at: Some("/hd"), ..PLAIN };

    /// GitHub Actions; issuer `https://token.actions.githubusercontent.com`. The tenant is the repository's owner: whoever
    /// may run a workflow anywhere gets a token, so that a guard on the tenant or the subject is a must.
    pub const GITHUB_ACTIONS: Preset = Preset {
        name: "GitHub Actions",
        tenant_at: Some("/repository_owner"),
        required: &["sub", "repository", "repository_owner"],
        ..PLAIN
    };

    /// Kubernetes service accounts; the issuer is the cluster's. The tenant is the namespace.
    pub const KUBERNETES: Preset = Preset {
        name: "Kubernetes service accounts",
        tenant_at: Some("/kubernetes.io/namespace"),
        required: &["sub", "kubernetes.io"],
        ..PLAIN
    };

    /// Every preset.
    pub const ALL: [Preset; 9] = [
        Preset::KEYCLOAK,
        Preset::AUTH0,
        Preset::OKTA,
        Preset::ENTRA_V1,
        Preset::ENTRA_V2,
        Preset::COGNITO,
        Preset::GOOGLE,
        Preset::GITHUB_ACTIONS,
        Preset::KUBERNETES,
    ];

    /// This provider's issuer of that name, its keys found by discovery; name the audience next.
    pub fn issuer(self, issuer: impl Into<String>) -> PresetIssuer {
        let issuer = issuer.into();
        let keys = Arc::new(RemoteKeys::by_discovery(issuer.clone()));
        PresetIssuer { preset: self, issuer, keys }
    }
}

/// A preset's issuer whose audience is still to be named.
#[derive(Clone, Debug)]
#[must_use = "name the audience: `.audience(\"your-service\")`"]
pub struct PresetIssuer {
    preset: Preset,
    issuer: String,
    keys: Arc<dyn KeySource>,
}

impl PresetIssuer {
    /// Takes keys from this source instead of discovery.
    pub fn keys(mut self, keys: Arc<dyn KeySource>) -> Self {
        self.keys = keys;
        self
    }

    /// Names the service that tokens must be made for.
    pub fn audience(self, audience: impl Into<String>) -> TrustedIssuer {
        let (preset, audience) = (self.preset, audience.into());
        let escaped = audience.replace('~', "~0").replace('/', "~1");
        let mut authorities = Authorities::new();
        for pointer in preset.roles_at {
            authorities = authorities.roles_at(pointer.replace("{audience}", &escaped));
        }
        for pointer in preset.permissions_at {
            authorities = authorities.permissions_at(*pointer);
        }
        if let Some(pointer) = preset.tenant_at {
            authorities = authorities.tenant_at(pointer);
        }
        if preset.scopes_in_scp {
            authorities = authorities.scopes_in_scp();
        }
        let mut trusted = NeedsAudience::new(self.issuer, self.keys).audience(audience).authorities(authorities);
        if preset.client_id_for_absent_audience {
            trusted = trusted.client_id_for_absent_audience();
        }
        preset.required.iter().fold(trusted, |trusted, claim| trusted.require_claim(*claim))
    }
}
