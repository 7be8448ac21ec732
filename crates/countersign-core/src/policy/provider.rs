//! The forms of well-known providers' access tokens, as data.

use crate::authz::OwnTokens;
use crate::error::ConfigError;

/// The locations of authorities in a provider's access tokens, and what those tokens lack.
///
/// A policy file states it as `preset = "keycloak"`, by its [`config_name`](Self::config_name); see
/// [`Policy`](super::Policy). The presets of the crate `countersign` add keys from discovery.
///
/// ```
/// use countersign_core::policy::ProviderMapping;
///
/// let keycloak = ProviderMapping::from_config_name("keycloak").unwrap();
/// assert_eq!(keycloak.client_at, ["/azp"]);
/// assert!(ProviderMapping::from_config_name("keykloak").is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderMapping {
    /// The name of the provider.
    pub name: &'static str,
    /// The name in policy files and environment variables.
    pub config_name: &'static str,
    /// The locations of roles and groups, as JSON pointers; `{audience}` stands for the audience.
    pub roles_at: &'static [&'static str],
    /// The locations of permissions, as JSON pointers.
    pub permissions_at: &'static [&'static str],
    /// The location of the tenant, as a JSON pointer.
    pub tenant_at: Option<&'static str>,
    /// The locations of the client, as JSON pointers; the first that is present counts. Empty: `client_id`.
    pub client_at: &'static [&'static str],
    /// The mark of the tokens that a client got for itself.
    pub own_tokens: OwnTokens,
    /// The claim by which the provider marks access tokens, with its values in them.
    pub kind_claim: Option<(&'static str, &'static [&'static str])>,
    /// True if scopes are in `scp`.
    pub scopes_in_scp: bool,
    /// True if access tokens always name their client, and other tokens may lack it.
    pub client_required: bool,
    /// True if access tokens have no `aud`, and the client ID is the audience.
    pub client_id_for_absent_audience: bool,
    /// The issuer of a tenant, with `{tenant}` for its ID, if the provider has one issuer per tenant.
    pub issuer_pattern: Option<&'static str>,
    /// The claim with the id of the owner, if anybody can get tokens of this issuer: the owners must then be named.
    pub owner_claim: Option<&'static str>,
    /// Claims that its access tokens have and its other tokens do not.
    pub required_claims: &'static [&'static str],
}

const PLAIN: ProviderMapping = ProviderMapping {
    name: "",
    config_name: "",
    roles_at: &[],
    permissions_at: &[],
    tenant_at: None,
    client_at: &[],
    own_tokens: OwnTokens::SubjectIsClient,
    kind_claim: None,
    scopes_in_scp: false,
    client_required: false,
    client_id_for_absent_audience: false,
    issuer_pattern: None,
    owner_claim: None,
    required_claims: &[],
};

/// Each provider; the presets of the crate `countersign` describe them.
#[expect(missing_docs, reason = "each preset of the crate `countersign` describes its mapping")]
impl ProviderMapping {
    pub const KEYCLOAK: Self = ProviderMapping {
        name: "Keycloak",
        config_name: "keycloak",
        roles_at: &[CLIENT_ROLES],
        client_at: &["/azp"],
        own_tokens: OwnTokens::ServiceAccount,
        kind_claim: Some(("typ", &["Bearer", "DPoP"])),
        ..PLAIN
    };

    pub const KEYCLOAK_REALM: Self = ProviderMapping {
        name: "Keycloak, roles of the realm",
        config_name: "keycloak_realm",
        roles_at: &[REALM_ROLES],
        ..Self::KEYCLOAK
    };

    pub const KEYCLOAK_WITH_REALM_ROLES: Self = ProviderMapping {
        name: "Keycloak, roles of the client and the realm",
        config_name: "keycloak_with_realm_roles",
        roles_at: &[CLIENT_ROLES, REALM_ROLES],
        ..Self::KEYCLOAK
    };

    pub const AUTH0: Self = ProviderMapping {
        name: "Auth0",
        config_name: "auth0",
        permissions_at: &["/permissions"],
        tenant_at: Some("/org_id"),
        // `client_id` replaces `azp` in the profile of RFC 9068.
        client_at: &["/azp", "/client_id"],
        own_tokens: OwnTokens::SubjectAtClients,
        // An ID token without nonce has nothing but the lack of a client to tell it by.
        client_required: true,
        ..PLAIN
    };

    pub const OKTA: Self = ProviderMapping {
        name: "Okta",
        config_name: "okta",
        roles_at: &["/groups"],
        client_at: &["/cid"],
        scopes_in_scp: true,
        required_claims: &["cid"],
        ..PLAIN
    };

    pub const ENTRA_V1: Self = ProviderMapping {
        name: "Microsoft Entra ID v1",
        config_name: "entra_v1",
        roles_at: &["/roles"],
        tenant_at: Some("/tid"),
        client_at: &["/appid"],
        own_tokens: OwnTokens::AppOnly,
        scopes_in_scp: true,
        issuer_pattern: Some("https://sts.windows.net/{tenant}/"),
        required_claims: &["tid", "appid"],
        ..PLAIN
    };

    pub const ENTRA_V2: Self = ProviderMapping {
        name: "Microsoft Entra ID v2",
        config_name: "entra_v2",
        issuer_pattern: Some("https://login.microsoftonline.com/{tenant}/v2.0"),
        client_at: &["/azp"],
        required_claims: &["tid", "azp"],
        ..Self::ENTRA_V1
    };

    pub const COGNITO: Self = ProviderMapping {
        name: "Amazon Cognito",
        config_name: "cognito",
        roles_at: &["/cognito:groups"],
        client_id_for_absent_audience: true,
        kind_claim: Some(("token_use", &["access"])),
        required_claims: &["client_id"],
        ..PLAIN
    };

    pub const GOOGLE: Self = ProviderMapping {
        name: "Google",
        config_name: "google",
        tenant_at: Some("/hd"),
        client_at: &["/azp"],
        ..PLAIN
    };

    pub const GITHUB_ACTIONS: Self = ProviderMapping {
        name: "GitHub Actions",
        config_name: "github_actions",
        // The id: a name that its owner gave up can be taken by somebody else.
        tenant_at: Some("/repository_owner_id"),
        owner_claim: Some("repository_owner_id"),
        required_claims: &["sub", "repository", "repository_owner_id"],
        ..PLAIN
    };

    pub const SPIFFE: Self = ProviderMapping {
        name: "SPIFFE",
        config_name: "spiffe",
        own_tokens: OwnTokens::Workload,
        required_claims: &["sub"],
        ..PLAIN
    };

    pub const KUBERNETES: Self = ProviderMapping {
        name: "Kubernetes service accounts",
        config_name: "kubernetes",
        tenant_at: Some("/kubernetes.io/namespace"),
        own_tokens: OwnTokens::Workload,
        required_claims: &["sub", "kubernetes.io"],
        ..PLAIN
    };

    pub const ALL: [Self; 12] = [
        Self::KEYCLOAK,
        Self::KEYCLOAK_REALM,
        Self::KEYCLOAK_WITH_REALM_ROLES,
        Self::AUTH0,
        Self::OKTA,
        Self::ENTRA_V1,
        Self::ENTRA_V2,
        Self::COGNITO,
        Self::GOOGLE,
        Self::GITHUB_ACTIONS,
        Self::KUBERNETES,
        Self::SPIFFE,
    ];
}

impl ProviderMapping {
    /// The mapping with this name in policies.
    ///
    /// # Errors
    /// `ConfigError` on field `preset`, with the known names.
    pub fn from_config_name(name: &str) -> Result<Self, ConfigError> {
        Self::ALL.into_iter().find(|mapping| mapping.config_name == name).ok_or_else(|| {
            let known = Self::ALL.map(|mapping| mapping.config_name).join(", ");
            let found = crate::redact::safe_text(name);
            ConfigError::new("preset", format!("unknown preset \"{found}\"; the known ones are {known}"))
        })
    }

    /// The issuer of one tenant, from the provider's pattern.
    ///
    /// # Errors
    /// `ConfigError` on field `tenant` for an ID with characters other than letters, digits, `-` and `_`, or if the provider
    /// has no such pattern.
    pub fn issuer_of_tenant(&self, tenant: &str) -> Result<String, ConfigError> {
        let fault = |problem: &'static str| ConfigError::new("tenant", problem);
        let pattern =
            self.issuer_pattern.ok_or_else(|| fault("this provider has no pattern for tenants; state the issuer"))?;
        if !is_tenant_id(tenant) {
            return Err(fault("not an ID of letters, digits, hyphens and underscores"));
        }
        Ok(pattern.replace("{tenant}", tenant))
    }

    /// The only tenant whose tokens an issuer of this name signs, at any host: that of a national cloud too.
    pub(super) fn tenant_of_issuer<'i>(&self, issuer: &'i str) -> Option<&'i str> {
        let path =
            |url: &'i str| url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map(|(_, path)| path);
        let (before, after) = path(self.issuer_pattern?)?.split_once("{tenant}")?;
        let rest = path(issuer)?.strip_prefix(before)?.trim_end_matches('/');
        rest.strip_suffix(after.trim_end_matches('/')).filter(|tenant| is_tenant_id(tenant))
    }

    /// The tenant that an issuer's name refers to. It does not mean that the tenant is trusted.
    #[must_use]
    pub fn tenant_from_issuer(self, issuer: &str) -> Option<&str> {
        let (before, after) = self.issuer_pattern?.split_once("{tenant}")?;
        issuer.strip_prefix(before)?.strip_suffix(after).filter(|tenant| is_tenant_id(tenant))
    }
}

const CLIENT_ROLES: &str = "/resource_access/{audience}/roles";
const REALM_ROLES: &str = "/realm_access/roles";

fn is_tenant_id(tenant: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !tenant.is_empty() && tenant.len() <= 128 && tenant.bytes().all(is_plain)
}
