//! The rules for transaction tokens: which client may request which, for whom.

use countersign_core::error::Fault;

use super::ScopeSet;

/// Lets a client request transaction tokens of a trust domain (draft-ietf-oauth-transaction-tokens-10 §5).
///
/// The subject token is an access token of this issuer for the client (its `aud` is the client's id, by default). The new
/// token carries only scopes that the subject token, this rule and the trust domain all have.
///
/// ```
/// use countersign_issuer::{Client, TransactionRule};
///
/// let gateway = Client::new("gateway").add_transaction_rule(
///     TransactionRule::new("shop.example", ["orders:place"]).subject_audiences(["https://api.shop.example"]),
/// );
/// # let _ = gateway;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TransactionRule {
    pub(crate) trust_domain: String,
    pub(crate) scopes: ScopeSet,
    pub(crate) subject_audiences: Vec<String>,
    pub(crate) replacements: bool,
    pub(crate) bound_subject_tokens: bool,
}

impl TransactionRule {
    /// Allows requests for transaction tokens of this trust domain with these scopes.
    pub fn new<S: Into<String>>(trust_domain: impl Into<String>, scopes: impl IntoIterator<Item = S>) -> Self {
        TransactionRule {
            trust_domain: trust_domain.into(),
            scopes: ScopeSet::from_names(scopes),
            subject_audiences: Vec::new(),
            replacements: false,
            bound_subject_tokens: false,
        }
    }

    /// The audiences of accepted subject tokens. Default: the client's own id.
    pub fn subject_audiences<A: Into<String>>(mut self, audiences: impl IntoIterator<Item = A>) -> Self {
        self.subject_audiences = audiences.into_iter().map(Into::into).collect();
        self
    }

    /// Lets the client replace transaction tokens that it received by narrower ones, at most 8 times in a row. `txn`, `sub` and
    /// `aud` stay, details can only be added, and scope and expiry never grow. Default: only access tokens are subject tokens.
    pub fn replacements(mut self) -> Self {
        self.replacements = true;
        self
    }

    /// Accepts subject tokens that are bound to a key or certificate of their sender (`cnf`), without a proof of it: for a
    /// gateway that has checked the proof with which it received the token. Default: such a token needs a proof by its key,
    /// and a connection with its certificate.
    ///
    /// A transaction token is never bound. It identifies nobody: each service demands the sender's own token beside it.
    pub fn bound_subject_tokens(mut self) -> Self {
        self.bound_subject_tokens = true;
        self
    }

    pub(crate) fn faults(&self, client: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |problem: &'static str| {
            faults.push(Fault::new(format!("client {}: transaction rule", client.escape_debug()), problem));
        };
        if self.scopes.is_empty() {
            fault("no scope; name those that the client may request, since every transaction token has one");
        }
        if self.subject_audiences.iter().any(String::is_empty) {
            fault("an empty subject audience; remove it");
        }
        faults
    }
}
