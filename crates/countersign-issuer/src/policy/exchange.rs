//! The rules of token exchange: which client may act for which subject at which audience.

use countersign_core::error::Fault;

use super::ScopeSet;
use super::claims::is_own_claim;

/// Lets a client exchange the token of its caller for a token for another service (RFC 8693).
///
/// By default the subject token must be issued for the client itself (its `aud` is the client's id). The new token names
/// the client as the actor (`act`), and carries only scopes that the subject token, the client and the target all have.
///
/// ```
/// use countersign_issuer::{Client, ExchangeRule};
///
/// let orders = Client::new("orders")
///     .audiences(["billing"])
///     .scopes(["invoices:read"])
///     .add_exchange_rule(ExchangeRule::new(["billing"]).subject_audiences(["https://orders.example.com"]));
/// # let _ = orders;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ExchangeRule {
    pub(crate) targets: Vec<String>,
    pub(crate) subject_audiences: Vec<String>,
    pub(crate) scopes: Option<ScopeSet>,
    /// `None`: every subject.
    pub(crate) subject_prefixes: Option<Vec<String>>,
    pub(crate) copied_claims: Vec<String>,
    pub(crate) without_actor: bool,
    pub(crate) bound_subject_tokens: bool,
}

impl ExchangeRule {
    /// Allows an exchange for tokens for these target audiences.
    pub fn new<A: Into<String>>(targets: impl IntoIterator<Item = A>) -> Self {
        ExchangeRule {
            targets: targets.into_iter().map(Into::into).collect(),
            subject_audiences: Vec::new(),
            scopes: None,
            subject_prefixes: None,
            copied_claims: Vec::new(),
            without_actor: false,
            bound_subject_tokens: false,
        }
    }

    /// The audiences of accepted subject tokens. Default: the client's own id.
    pub fn subject_audiences<A: Into<String>>(mut self, audiences: impl IntoIterator<Item = A>) -> Self {
        self.subject_audiences = audiences.into_iter().map(Into::into).collect();
        self
    }

    /// The scopes that a new token may carry. Default: the client's own.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = Some(ScopeSet::from_names(scopes));
        self
    }

    /// Accepts only subjects that start with one of these prefixes. Default: every subject. An empty list is a fault.
    pub fn subject_prefixes<P: Into<String>>(mut self, prefixes: impl IntoIterator<Item = P>) -> Self {
        self.subject_prefixes = Some(prefixes.into_iter().map(Into::into).collect());
        self
    }

    /// More claims to copy from the subject token, such as `roles`. Default: only `tenant`, `acr` and `auth_time`.
    pub fn copied_claims<N: Into<String>>(mut self, claims: impl IntoIterator<Item = N>) -> Self {
        self.copied_claims = claims.into_iter().map(Into::into).collect();
        self
    }

    /// Accepts subject tokens that are bound to a key or certificate of their sender (`cnf`), without a proof of it: for a
    /// service that has checked the proof with which it received the token, and does not have the key. Default: a bound token
    /// is exchanged only with a proof by its key, and on a connection with its certificate.
    ///
    /// The client has to send a proof by a key of its own, or to connect with a certificate, to which the new token is bound. The
    /// client's own tokens always need their key or certificate.
    pub fn bound_subject_tokens(mut self) -> Self {
        self.bound_subject_tokens = true;
        self
    }

    /// Omits the client from `act` (impersonation), so that a service cannot distinguish it from the subject. The audit
    /// log records each use.
    pub fn danger_without_actor(mut self) -> Self {
        self.without_actor = true;
        self
    }

    /// Returns whether the rule allows an exchange of a token with this subject and these audiences for this target.
    pub(crate) fn allows<'a>(&self, target: &str, subject: &str, mut audiences: impl Iterator<Item = &'a str>) -> bool {
        let has_prefix = |prefixes: &Vec<String>| prefixes.iter().any(|prefix| subject.starts_with(prefix.as_str()));
        let is_subject = self.subject_prefixes.as_ref().is_none_or(has_prefix);
        self.has_target(target)
            && is_subject
            && audiences.any(|audience| self.subject_audiences.iter().any(|name| name == audience))
    }

    pub(crate) fn has_target(&self, target: &str) -> bool {
        self.targets.iter().any(|name| name == target)
    }

    pub(crate) fn faults(&self, client: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |problem: &'static str| {
            faults.push(Fault::new(format!("client {}: exchange rule", client.escape_debug()), problem));
        };
        if self.targets.is_empty() {
            fault("no target; name the audiences that tokens may be exchanged for");
        }
        let mut prefixes = self.subject_prefixes.iter().flatten();
        if self.subject_audiences.iter().any(String::is_empty) || prefixes.any(String::is_empty) {
            fault("an empty subject audience or subject prefix; remove it");
        }
        if self.subject_prefixes.as_ref().is_some_and(Vec::is_empty) {
            fault("subject_prefixes names no subject; name a prefix, or remove the setting");
        }
        if self.copied_claims.iter().any(|name| name.is_empty() || is_own_claim(name)) {
            fault("copies a claim that the issuer writes itself; remove it");
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s8_20_a_rule_holds_for_its_targets_subjects_and_audiences() {
        let rule = ExchangeRule::new(["billing"]).subject_audiences(["orders", "shop"]).subject_prefixes(["user:"]);
        let allows =
            |target: &str, subject: &str, audiences: &[&str]| rule.allows(target, subject, audiences.iter().copied());
        assert!(allows("billing", "user:ann", &["orders"]));
        assert!(allows("billing", "user:ann", &["elsewhere", "shop"]));
        assert!(!allows("ledger", "user:ann", &["orders"]), "another target");
        assert!(!allows("billing", "service:reports", &["orders"]), "another kind of subject");
        assert!(!allows("billing", "ann user:", &["orders"]), "not at the start");
        assert!(!allows("billing", "user:ann", &["ledger"]), "a token for another service");
        assert!(!allows("billing", "user:ann", &[]), "a token for nobody");
    }
}
