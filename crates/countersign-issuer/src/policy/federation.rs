//! Tokens of another issuer that prove who a client is: a cluster's, a build system's, a partner's.

use countersign_core::error::Fault;
use countersign_core::policy::TrustedIssuer;

/// Lets workloads in by the token that their platform gives them, without a secret of ours (RFC 7523 §2.1).
///
/// The platform's token must pass every rule of its policy; make its audience this issuer's name, so that a token given
/// for another service is worth nothing here. Subjects are compared letter by letter.
///
/// ```
/// use std::sync::Arc;
/// use countersign_core::{key::StaticKeys, policy::NeedsAudience};
/// use countersign_issuer::Federation;
///
/// let keys = Arc::new(StaticKeys::new([])); // in earnest: the crate `countersign` fetches them, `oidc(…)`
/// let cluster = NeedsAudience::new("https://kubernetes.default.svc", keys).audience("https://sts.example.com");
/// let federation = Federation::trusting(cluster).subject_as_client("system:serviceaccount:shop:orders", "orders");
/// # let _ = federation;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Federation {
    pub(crate) trusted: TrustedIssuer,
    pub(crate) subjects: Vec<(String, String)>,
}

impl Federation {
    /// Trusts this issuer for the subjects that are named, and for nobody else.
    pub fn trusting(trusted: TrustedIssuer) -> Self {
        Federation { trusted, subjects: Vec::new() }
    }

    /// Its `subject` is our client of that id, with what that client is allowed.
    pub fn subject_as_client(mut self, subject: impl Into<String>, client: impl Into<String>) -> Self {
        self.subjects.push((subject.into(), client.into()));
        self
    }

    pub(crate) fn faults(&self, is_client: impl Fn(&str) -> bool) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |problem: &'static str| faults.push(Fault::new("federation", problem));
        if self.subjects.is_empty() || self.subjects.iter().any(|(subject, _)| subject.is_empty()) {
            fault("no subject, or an empty one; name who is which client");
        }
        if !self.subjects.iter().all(|(_, client)| is_client(client)) {
            fault("names a client that the issuer does not know");
        }
        faults
    }
}
