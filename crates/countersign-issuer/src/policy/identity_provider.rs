//! Identity providers, whose assertions about users are grants (draft-ietf-oauth-identity-assertion-authz-grant-03).

use std::time::Duration;

use countersign_core::claims::TenantId;
use countersign_core::error::Fault;
use countersign_core::policy::TrustedIssuer;

use super::ScopeSet;
use super::claims::{TENANT_CLAIM, is_own_claim};

/// The longest lifetime of an assertion, from its `iat` to its `exp`: providers issue them for one request.
const ASSERTION_LIFETIME: Duration = Duration::from_secs(300);

/// The greatest value of that setting.
const MAX_ASSERTION_LIFETIME: Duration = Duration::from_secs(3600);

/// An identity provider that grants clients access on behalf of its users, by identity assertions (ID-JAG,
/// draft-ietf-oauth-identity-assertion-authz-grant-03).
///
/// A client with [`Grant::JwtBearer`](crate::Grant::JwtBearer) presents such an assertion once, beside its own credential. The
/// assertion must have the type `oauth-id-jag+jwt`, this issuer as its only audience, and the client as its `client_id`. Its
/// `resource` and `scope` narrow what the client may request.
///
/// ```
/// use std::sync::Arc;
/// use countersign_core::{key::StaticKeys, policy::NeedsAudience};
/// use countersign_issuer::{Client, Grant, IdentityProvider};
///
/// let keys = Arc::new(StaticKeys::new([])); // in production: `oidc(…)` of the crate `countersign` fetches them
/// let trusted = NeedsAudience::new("https://id.example.com", keys).audience("https://sts.example.com");
/// let staff = IdentityProvider::new(trusted, "staff:");
/// let agent = Client::new("agent").grants([Grant::JwtBearer]).audiences(["https://mcp.example.com/mcp"]);
/// # let _ = (staff, agent);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct IdentityProvider {
    pub(crate) trusted: TrustedIssuer,
    pub(crate) prefix: String,
    pub(crate) max_lifetime: Duration,
    /// The `tenant` that its assertions must have.
    pub(crate) only_tenant: Option<String>,
    /// The tenant of its users here.
    pub(crate) tenant: Option<TenantId>,
    pub(crate) default_scopes: ScopeSet,
    pub(crate) copied_claims: Vec<String>,
}

impl IdentityProvider {
    /// Accepts assertions that pass every rule of `trusted`. Their subjects get this prefix here, such as `staff:`: the subject
    /// `ann` of the provider is `staff:ann` in the tokens of this issuer.
    ///
    /// The type of assertions is fixed, and their only audience is this issuer, whatever `trusted` accepts.
    pub fn new(trusted: TrustedIssuer, prefix: impl Into<String>) -> Self {
        IdentityProvider {
            trusted,
            prefix: prefix.into(),
            max_lifetime: ASSERTION_LIFETIME,
            only_tenant: None,
            tenant: None,
            default_scopes: ScopeSet::default(),
            copied_claims: Vec::new(),
        }
    }

    /// The longest lifetime of an assertion, from `iat` to `exp`. Default 300 s, at most 3600 s.
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = lifetime;
        self
    }

    /// Accepts only assertions with this `tenant`. Default: only those without one, because a provider with several tenants
    /// may name two users alike.
    pub fn only_tenant(mut self, tenant: impl Into<String>) -> Self {
        self.only_tenant = Some(tenant.into());
        self
    }

    /// The tenant of the provider's users here, which tokens carry (`tenant`). Clients with a tenant present only assertions of
    /// providers with the same one, and an `aud_tenant` must name it. Default: none.
    pub fn tenant(mut self, tenant: TenantId) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// The scopes that an assertion without `scope` stands for. Default: none, so that its token has no scope.
    pub fn default_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.default_scopes = ScopeSet::from_names(scopes);
        self
    }

    /// More claims to copy from the assertion, such as `acr`. Default: only `auth_time`.
    ///
    /// Services read them as claims of this issuer. Copy only those whose values mean the same at the provider and here.
    pub fn copied_claims<N: Into<String>>(mut self, claims: impl IntoIterator<Item = N>) -> Self {
        self.copied_claims = claims.into_iter().map(Into::into).collect();
        self
    }

    /// The faults of all providers of the issuer with this name.
    pub(crate) fn faults(providers: &[IdentityProvider], issuer: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (index, provider) in providers.iter().enumerate() {
            let name = provider.trusted.issuer();
            let mut fault = |field: &str, problem: &'static str| {
                faults.push(Fault::new(format!("identity provider {}: {field}", name.escape_debug()), problem));
            };
            // Draft §8.3: it would turn what it asserts for others into tokens of its own.
            if name == issuer {
                fault("issuer", "is this issuer itself; name the provider at which users log in");
            }
            let others = || providers.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, other)| other);
            if others().any(|other| other.trusted.issuer() == name) {
                fault("issuer", "is added twice; trust it once");
            }
            if provider.prefix.is_empty() || others().any(|other| other.prefix.starts_with(&provider.prefix)) {
                fault("prefix", "is empty, or begins another one, so that names of two providers could be equal");
            }
            let lifetime = provider.max_lifetime;
            if lifetime.as_secs() == 0 || lifetime > MAX_ASSERTION_LIFETIME {
                fault("max_lifetime", "out of range; set 1 to 3600 seconds");
            }
            if provider.only_tenant.as_ref().is_some_and(String::is_empty) {
                fault("only_tenant", "empty; name the tenant, or remove the setting");
            }
            if let Some(problem) = provider.default_scopes.problem() {
                fault("default_scopes", problem);
            }
            let is_own = |name: &String| name.is_empty() || name == TENANT_CLAIM || is_own_claim(name);
            if provider.copied_claims.iter().any(is_own) {
                fault("copied_claims", "has a claim that the issuer writes itself; remove it");
            }
        }
        faults
    }
}
