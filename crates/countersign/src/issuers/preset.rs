//! Claim mappings of well-known providers, as data.

use std::ops::Deref;
use std::sync::Arc;

use countersign_core::error::ConfigError;
use countersign_core::key::KeySource;
use countersign_core::policy::{ProviderMapping, TrustedIssuer};

use crate::fetch::ConnectionSettings;
use crate::keys::RemoteKeys;

/// The claim mapping of a provider: the locations of scopes, roles and tenant, and what its access tokens lack.
///
/// A preset yields a [`TrustedIssuer`], whose settings can all be changed. It does not name the issuer: that is your
/// tenant's, exactly as in its discovery document. Access tokens of these providers have `typ` `JWT`, `at+jwt` or none, as
/// [`Profile::Compatible`](countersign_core::policy::Profile::Compatible) accepts.
///
/// ```
/// use countersign::issuers::Preset;
/// use countersign::prelude::*;
///
/// // Of several issuers, those with tenants state whose tenants they name, or have a prefix. So have all but one of those with
/// // roles, permissions or groups.
/// let auth0 = Preset::AUTH0.issuer("https://acme.eu.auth0.com/").tenant_prefix("auth0.").name_prefix("auth0:");
/// let auth0 = auth0.audience("https://orders.example");
/// let cognito = Preset::COGNITO.issuer("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a1B2").audience("client-1");
/// let verifier = Verifier::builder().trust(auth0).trust(cognito).build()?;
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset(ProviderMapping);

impl Deref for Preset {
    type Target = ProviderMapping;

    fn deref(&self) -> &ProviderMapping {
        &self.0
    }
}

impl Preset {
    /// Keycloak; issuer `https://HOST/realms/REALM`. Roles are those of the client in the audience, not of the realm; for those
    /// of the realm, see [`KEYCLOAK_REALM`](Self::KEYCLOAK_REALM) and [`with_realm_roles`](Self::with_realm_roles).
    ///
    /// The client is `azp`. A token is the client's own if its user is the service account: its subject is never the client.
    pub const KEYCLOAK: Preset = Preset(ProviderMapping::KEYCLOAK);

    /// Keycloak with the roles of the realm (`realm_access`), not of a client.
    pub const KEYCLOAK_REALM: Preset = Preset(ProviderMapping::KEYCLOAK_REALM);

    /// Auth0; issuer `https://TENANT.auth0.com/`, with the trailing slash. Permissions require RBAC in the settings of the API.
    pub const AUTH0: Preset = Preset(ProviderMapping::AUTH0);

    /// Okta with a custom authorization server; issuer `https://ORG.okta.com/oauth2/SERVER`. Access tokens of
    /// the org server are not for services.
    pub const OKTA: Preset = Preset(ProviderMapping::OKTA);

    /// Microsoft Entra ID, version 1 tokens; issuer `https://sts.windows.net/TENANT/`.
    pub const ENTRA_V1: Preset = Preset(ProviderMapping::ENTRA_V1);

    /// Microsoft Entra ID, version 2 tokens; issuer `https://login.microsoftonline.com/TENANT/v2.0`. The audience is the
    /// application's ID, never its URI (`api://…`).
    pub const ENTRA_V2: Preset = Preset(ProviderMapping::ENTRA_V2);

    /// Amazon Cognito; issuer `https://cognito-idp.REGION.amazonaws.com/POOL`. Its access tokens have no `aud`: the audiences
    /// are the IDs of the app clients whose tokens the service accepts, read from `client_id`, which its ID tokens lack.
    ///
    /// That tells who got a token, not for which service. Require a scope of the service's own resource server everywhere.
    pub const COGNITO: Preset = Preset(ProviderMapping::COGNITO);

    /// Google, tokens of service accounts for a service; issuer `https://accounts.google.com`. The tenant is the Workspace
    /// domain.
    ///
    /// Anyone with a Google account gets a token for any audience. A verifier therefore does not build until the callers are
    /// limited, by client (the id of a service account), subject or domain.
    ///
    /// ```
    /// use countersign::issuers::Preset;
    /// use countersign::prelude::*;
    ///
    /// let google = || Preset::GOOGLE.issuer("https://accounts.google.com").audience("https://orders.example");
    /// assert!(Verifier::new(google().allowed_client("113774264463038321964")).is_ok());
    /// assert!(Verifier::new(google().allowed_claim_values("hd", ["example.com"])).is_ok());
    /// assert!(Verifier::new(google()).is_err());
    /// ```
    pub const GOOGLE: Preset = Preset(ProviderMapping::GOOGLE);

    /// GitHub Actions; issuer `https://token.actions.githubusercontent.com`. The tenant is the repository's owner.
    ///
    /// Anyone who can run a workflow anywhere gets a token. A verifier therefore does not build until the owners are named
    /// whose workflows are accepted, by id: [`allowed_owner`](PresetIssuer::allowed_owner). Ids, unlike names, are never
    /// given to somebody else; `https://api.github.com/users/NAME` tells the id.
    ///
    /// ```
    /// use countersign::issuers::Preset;
    /// use countersign::prelude::*;
    ///
    /// let github = || Preset::GITHUB_ACTIONS.issuer("https://token.actions.githubusercontent.com");
    /// assert!(Verifier::new(github().allowed_owner("9919").audience("deployments")).is_ok());
    /// assert!(Verifier::new(github().audience("deployments")).is_err());
    /// ```
    pub const GITHUB_ACTIONS: Preset = Preset(ProviderMapping::GITHUB_ACTIONS);

    /// SPIFFE workloads; the issuer is the trust domain, such as `spiffe://shop.example`, or that of its OpenID Connect
    /// discovery. The client is the workload: `client("spiffe://shop.example/billing")`.
    ///
    /// A trust domain has no discovery of its own: name its keys, as in [`FileKeys::from_spiffe_bundle`](crate::keys::FileKeys::from_spiffe_bundle).
    pub const SPIFFE: Preset = Preset(ProviderMapping::SPIFFE);

    /// Kubernetes service accounts; the issuer is that of the cluster. The tenant is the namespace, and the client is the
    /// service account: `client("system:serviceaccount:shop:billing")`.
    pub const KUBERNETES: Preset = Preset(ProviderMapping::KUBERNETES);

    /// Every preset.
    pub const ALL: [Preset; 11] = [
        Preset::KEYCLOAK,
        Preset::KEYCLOAK_REALM,
        Preset::AUTH0,
        Preset::OKTA,
        Preset::ENTRA_V1,
        Preset::ENTRA_V2,
        Preset::COGNITO,
        Preset::GOOGLE,
        Preset::GITHUB_ACTIONS,
        Preset::KUBERNETES,
        Preset::SPIFFE,
    ];

    /// Also reads the roles of the realm, for [`KEYCLOAK`](Self::KEYCLOAK).
    ///
    /// ```
    /// use countersign::issuers::Preset;
    ///
    /// let both = Preset::KEYCLOAK.with_realm_roles();
    /// assert_eq!(both.roles_at, ["/resource_access/{audience}/roles", "/realm_access/roles"]);
    /// ```
    pub fn with_realm_roles(self) -> Preset {
        match self {
            Preset::KEYCLOAK | Preset::KEYCLOAK_REALM => Preset(ProviderMapping::KEYCLOAK_WITH_REALM_ROLES),
            other => other,
        }
    }

    /// An issuer of this provider, with keys from discovery. Set its audience next.
    pub fn issuer(self, issuer: impl Into<String>) -> PresetIssuer {
        let issuer = issuer.into();
        let keys = Arc::new(RemoteKeys::from_issuer(issuer.clone()));
        PresetIssuer {
            preset: self,
            issuer,
            keys,
            tenant: None,
            tenant_prefix: None,
            tenants_of: None,
            name_prefix: None,
            names_of: None,
            owners: Vec::new(),
        }
    }
}

/// Tenants of a provider with one issuer per tenant.
impl Preset {
    /// The issuer of one tenant, from the provider's pattern. Its tokens must name exactly that tenant. Add one issuer for each
    /// tenant that you trust; the pattern itself trusts none.
    ///
    /// ```
    /// use countersign::issuers::Preset;
    /// use countersign::verify::Verifier;
    ///
    /// // The application defines its roles once for all tenants, and each tenant assigns them: require the tenant as well.
    /// let mut builder = Verifier::builder();
    /// for tenant in ["72f988bf-86f1-41af-91ab-2d7cd011db47", "9122040d-6c67-4c5b-b112-36a304b66dad"] {
    ///     let issuer = Preset::ENTRA_V2.tenant(tenant)?.names_of("https://login.microsoftonline.com");
    ///     builder = builder.trust(issuer.audience("6e74172b-be56-4843-9ff4-e66a39bb12e3"));
    /// }
    /// assert!(builder.build().is_ok());
    /// # Ok::<(), countersign::error::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// `ConfigError` on field `tenant` for an ID with characters other than letters, digits, `-` and `_`, or if the provider
    /// has no such pattern.
    pub fn tenant(self, tenant: &str) -> Result<PresetIssuer, ConfigError> {
        let mut issuer = self.issuer(self.issuer_of_tenant(tenant)?);
        issuer.tenant = Some(tenant.to_owned());
        Ok(issuer)
    }

    /// The tenant that an issuer's name refers to, for a database lookup in [`ResolvedIssuers`](super::ResolvedIssuers). It does
    /// not mean that the tenant is trusted.
    ///
    /// ```
    /// use countersign::issuers::Preset;
    ///
    /// let tenant_from_issuer = |issuer: &str| Preset::ENTRA_V2.tenant_from_issuer(issuer).map(str::to_owned);
    /// assert_eq!(tenant_from_issuer("https://login.microsoftonline.com/72f988bf/v2.0").as_deref(), Some("72f988bf"));
    /// assert_eq!(tenant_from_issuer("https://login.microsoftonline.com/x/../y/v2.0"), None);
    /// ```
    #[must_use]
    pub fn tenant_from_issuer(self, issuer: &str) -> Option<&str> {
        self.0.tenant_from_issuer(issuer)
    }
}

/// An issuer of a preset, before its audience is set.
///
/// ```
/// use countersign::issuers::{Preset, PresetIssuer};
/// use countersign::policy::TrustedIssuer;
///
/// let issuer: PresetIssuer = Preset::KEYCLOAK.issuer("https://id.example.com/realms/acme");
/// let trusted: TrustedIssuer = issuer.audience("orders");
/// # let _ = trusted;
/// ```
#[derive(Clone, Debug)]
#[must_use = "name the audience: `.audience(\"your-service\")`"]
pub struct PresetIssuer {
    preset: Preset,
    issuer: String,
    keys: Arc<dyn KeySource>,
    tenant: Option<String>,
    tenant_prefix: Option<String>,
    tenants_of: Option<String>,
    name_prefix: Option<String>,
    names_of: Option<String>,
    owners: Vec<String>,
}

impl PresetIssuer {
    /// Replaces discovery with this key source.
    pub fn keys(mut self, keys: Arc<dyn KeySource>) -> Self {
        self.keys = keys;
        self
    }

    /// Finds the keys by discovery over connections with these settings.
    pub fn connection(self, settings: ConnectionSettings) -> Self {
        let keys = RemoteKeys::from_issuer(self.issuer.clone()).connection(settings);
        self.keys(Arc::new(keys))
    }

    /// Adds an owner, by id, whose tokens are accepted. Needed for issuers that sign tokens for everybody, such as
    /// [`Preset::GITHUB_ACTIONS`], which has an example; ignored by presets without an
    /// [`owner_claim`](countersign_core::policy::ProviderMapping::owner_claim).
    pub fn allowed_owner(mut self, id: impl Into<String>) -> Self {
        self.owners.push(id.into());
        self
    }

    /// Puts `prefix` before every tenant, as [`Authorities::tenant_prefix`](countersign_core::authz::Authorities::tenant_prefix) does: if several issuers are trusted.
    pub fn tenant_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.tenant_prefix = Some(prefix.into());
        self
    }

    /// States whose tenants the tokens name, as [`Authorities::tenants_of`](countersign_core::authz::Authorities::tenants_of) does: if several issuers are trusted.
    pub fn tenants_of(mut self, issuer: impl Into<String>) -> Self {
        self.tenants_of = Some(issuer.into());
        self
    }

    /// Puts `prefix` before every role, permission and group, as [`Authorities::name_prefix`](countersign_core::authz::Authorities::name_prefix) does.
    pub fn name_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.name_prefix = Some(prefix.into());
        self
    }

    /// States whose roles, permissions and groups the tokens name, as [`Authorities::names_of`](countersign_core::authz::Authorities::names_of) does.
    pub fn names_of(mut self, issuer: impl Into<String>) -> Self {
        self.names_of = Some(issuer.into());
        self
    }

    /// Sets the audience, the service that tokens must be intended for.
    pub fn audience(self, audience: impl Into<String>) -> TrustedIssuer {
        let preset = self.preset;
        let mut config = preset.config(self.issuer, audience);
        config.authorities.tenant_prefix = self.tenant_prefix.unwrap_or_default();
        config.authorities.tenants_of = self.tenants_of;
        config.authorities.name_prefix = self.name_prefix.unwrap_or_default();
        config.authorities.names_of = self.names_of;
        if let Some(claim) = preset.owner_claim {
            config.allowed_claim_values.insert(claim.to_owned(), self.owners);
        }
        if let (Some(tenant), Some(claim)) = (self.tenant, preset.tenant_claim()) {
            config.required_claim_values.insert(claim.to_owned(), tenant);
        }
        config.to_trusted_issuer(self.keys)
    }
}
