//! Trust domains, within which transaction tokens are valid (draft-ietf-oauth-transaction-tokens-10).

use std::time::Duration;

use countersign_core::error::Fault;
use countersign_core::policy::TrustedIssuer;

use super::ScopeSet;

/// The default lifetime of a transaction token.
const LIFETIME: Duration = Duration::from_secs(120);

/// The longest lifetime of a transaction token: such a token lives minutes or less.
const MAX_LIFETIME: Duration = Duration::from_secs(300);

/// A trust domain that transaction tokens are issued for: its name in `aud`, and the purposes that it knows as scopes.
///
/// A [`TransactionRule`](crate::TransactionRule) of a client says what it may request here.
///
/// ```
/// use countersign_issuer::TrustDomain;
///
/// let shop = TrustDomain::new("shop.example").scopes(["orders:place", "orders:read"]);
/// assert_eq!(shop.name(), "shop.example");
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TrustDomain {
    name: String,
    pub(crate) scopes: ScopeSet,
    pub(crate) lifetime: Duration,
    /// Issuers from outside, each with the prefix of its subjects' names.
    pub(crate) subject_issuers: Vec<(TrustedIssuer, String)>,
}

impl TrustDomain {
    /// A trust domain without scopes.
    pub fn new(name: impl Into<String>) -> Self {
        TrustDomain { name: name.into(), scopes: ScopeSet::default(), lifetime: LIFETIME, subject_issuers: Vec::new() }
    }

    /// The scopes that transaction tokens may carry here. Default: none, so that no token can be requested.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = ScopeSet::from_names(scopes);
        self
    }

    /// The lifetime of transaction tokens, in whole seconds. Default 120 s, at most 300 s. A token never outlives its subject
    /// token.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Also accepts access tokens of another issuer as subject tokens, such as those of the identity provider of users.
    ///
    /// The token must pass every rule of the trusted issuer. Its subject gets this prefix in the trust domain, where names of all
    /// issuers meet, such as `users:`. Its tenant is not taken along; its actor is, with the issuer that vouches for it.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use countersign_core::{key::StaticKeys, policy::NeedsAudience};
    /// use countersign_issuer::TrustDomain;
    ///
    /// let keys = Arc::new(StaticKeys::new([])); // in production: `oidc(…)` of the crate `countersign` fetches them
    /// let users = NeedsAudience::new("https://id.example.com", keys).audience("https://api.shop.example");
    /// let shop = TrustDomain::new("shop.example").scopes(["orders:place"]).add_subject_issuer(users, "users:");
    /// # let _ = shop;
    /// ```
    pub fn add_subject_issuer(mut self, trusted: TrustedIssuer, prefix: impl Into<String>) -> Self {
        self.subject_issuers.push((trusted, prefix.into()));
        self
    }

    /// The name of the trust domain.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |field: &str, problem: &'static str| {
            faults.push(Fault::new(format!("trust domain {}: {field}", self.name.escape_debug()), problem));
        };
        if self.name.is_empty() || self.name == "*" || self.name.contains(|c: char| c.is_whitespace() || c.is_control())
        {
            fault("name", "empty, a wildcard, or contains whitespace; name one trust domain");
        }
        if let Some(problem) = self.scopes.problem() {
            fault("scopes", problem);
        }
        let prefixes: Vec<&str> = self.subject_issuers.iter().map(|(_, prefix)| prefix.as_str()).collect();
        let overlaps = |(index, prefix): (usize, &&str)| {
            let mut others = prefixes.iter().enumerate().filter(|(other, _)| *other != index);
            prefix.is_empty() || others.any(|(_, other)| other.starts_with(*prefix))
        };
        if prefixes.iter().enumerate().any(overlaps) {
            fault(
                "subject_issuer",
                "a prefix is empty, or begins another one, so that names of two issuers could be equal",
            );
        }
        let names: Vec<&str> = self.subject_issuers.iter().map(|(trusted, _)| trusted.issuer()).collect();
        if names.iter().enumerate().any(|(index, name)| names.iter().skip(index + 1).any(|other| other == name)) {
            fault("subject_issuer", "an issuer is added twice; trust it once with all audiences");
        }
        if self.lifetime.as_secs() == 0 || self.lifetime > MAX_LIFETIME {
            fault("token_lifetime", "out of range; set 1 to 300 seconds");
        }
        faults
    }
}
