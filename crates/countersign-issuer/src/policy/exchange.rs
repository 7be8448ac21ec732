//! Who may act for whom.

use countersign_core::error::Fault;

use super::ScopeSet;

/// Claims that an exchange decides itself; none of them can be carried over.
const OWN_CLAIMS: [&str; 16] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "scope",
    "scp",
    "act",
    "may_act",
    "cnf",
    "nonce",
    "azp",
    "sid",
];

/// Lets a client turn its caller's token into one for a service further on (RFC 8693).
///
/// By default the caller's token must have been made for the client itself (its `aud` is the client's id), the new one
/// names the client as actor (`act`), and carries scopes that the caller, the client and the target all have.
///
/// ```
/// use countersign_issuer::{Client, ExchangeRule};
///
/// let orders = Client::new("orders")
///     .audiences(["billing"])
///     .scopes(["invoices:read"])
///     .may_exchange(ExchangeRule::towards(["billing"]).tokens_for(["https://orders.example.com"]));
/// # let _ = orders;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ExchangeRule {
    pub(crate) towards: Vec<String>,
    pub(crate) tokens_for: Vec<String>,
    pub(crate) scopes: Option<ScopeSet>,
    pub(crate) subject_prefixes: Vec<String>,
    pub(crate) carried: Vec<String>,
    pub(crate) without_actor: bool,
}

impl ExchangeRule {
    /// Allows exchanges for these audiences.
    pub fn towards<A: Into<String>>(audiences: impl IntoIterator<Item = A>) -> Self {
        ExchangeRule {
            towards: audiences.into_iter().map(Into::into).collect(),
            tokens_for: Vec::new(),
            scopes: None,
            subject_prefixes: Vec::new(),
            carried: Vec::new(),
            without_actor: false,
        }
    }

    /// Takes callers' tokens made for these audiences. Default: the client's own id.
    pub fn tokens_for<A: Into<String>>(mut self, audiences: impl IntoIterator<Item = A>) -> Self {
        self.tokens_for.extend(audiences.into_iter().map(Into::into));
        self
    }

    /// The scopes that may be passed on. Default: the client's own.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        let scopes = scopes.into_iter().map(|scope| scope.into().into_boxed_str());
        self.scopes.get_or_insert_default().0.extend(scopes);
        self
    }

    /// Only for subjects that begin so; may be said again for more. Default: for every subject.
    pub fn subjects_beginning_with(mut self, prefix: impl Into<String>) -> Self {
        self.subject_prefixes.push(prefix.into());
        self
    }

    /// Copies these claims of the caller's token, such as `roles`. Default: only `tenant`, `acr` and `auth_time`.
    pub fn carrying<N: Into<String>>(mut self, claims: impl IntoIterator<Item = N>) -> Self {
        self.carried.extend(claims.into_iter().map(Into::into));
        self
    }

    /// Leaves the client's name out of the token (impersonation): whoever gets it cannot tell that the subject did not
    /// come in person. Every use is in the audit log.
    pub fn without_actor(mut self) -> Self {
        self.without_actor = true;
        self
    }

    /// Whether it speaks of tokens for this audience and subject, towards this target.
    pub(crate) fn covers<'a>(&self, target: &str, subject: &str, mut audiences: impl Iterator<Item = &'a str>) -> bool {
        let towards = self.towards.iter().any(|name| name == target);
        let about = self.subject_prefixes.is_empty()
            || self.subject_prefixes.iter().any(|prefix| subject.starts_with(prefix.as_str()));
        towards && about && audiences.any(|audience| self.tokens_for.iter().any(|name| name == audience))
    }

    pub(crate) fn faults(&self, client: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |problem: &'static str| {
            faults.push(Fault::new(format!("client {}: may_exchange", client.escape_debug()), problem));
        };
        if self.towards.is_empty() {
            fault("no target; name the audiences that tokens may be exchanged for");
        }
        if self.tokens_for.iter().any(String::is_empty) || self.subject_prefixes.iter().any(String::is_empty) {
            fault("an empty audience or prefix");
        }
        if self.carried.iter().any(|name| name.is_empty() || OWN_CLAIMS.contains(&name.as_str())) {
            fault("carries a claim that the issuer writes itself");
        }
        faults
    }
}
