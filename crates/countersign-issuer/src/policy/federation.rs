//! Other issuers whose tokens authenticate clients: a cluster, a build system, a partner.

use countersign_core::error::Fault;
use countersign_core::policy::TrustedIssuer;

/// Authenticates workloads by the token of their platform instead of a client secret (RFC 7523 §2.1).
///
/// The token must pass every rule of the trusted issuer. Require this issuer's name as its audience, so that a token
/// issued for another service is refused here. Subjects are compared exactly.
///
/// ```
/// use std::sync::Arc;
/// use countersign_core::{key::StaticKeys, policy::NeedsAudience};
/// use countersign_issuer::Federation;
///
/// let keys = Arc::new(StaticKeys::new([])); // in production: `oidc(…)` of the crate `countersign` fetches them
/// let cluster = NeedsAudience::new("https://kubernetes.default.svc", keys).audience("https://sts.example.com");
/// let federation = Federation::new(cluster).add_subject("system:serviceaccount:shop:orders", "orders");
/// # let _ = federation;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Federation {
    pub(crate) trusted: TrustedIssuer,
    pub(crate) subjects: Vec<(String, String)>,
}

impl Federation {
    /// Trusts tokens of this issuer, but only for the subjects added with [`add_subject`](Self::add_subject).
    pub fn new(trusted: TrustedIssuer) -> Self {
        Federation { trusted, subjects: Vec::new() }
    }

    /// Authenticates the platform's `subject` as the client with this id.
    pub fn add_subject(mut self, subject: impl Into<String>, client_id: impl Into<String>) -> Self {
        self.subjects.push((subject.into(), client_id.into()));
        self
    }

    pub(crate) fn faults(&self, is_client: impl Fn(&str) -> bool) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |problem: &'static str| faults.push(Fault::new("federation", problem));
        if self.subjects.is_empty() || self.subjects.iter().any(|(subject, _)| subject.is_empty()) {
            fault("no subject, or an empty one; map each subject to a client");
        }
        if !self.subjects.iter().all(|(_, client)| is_client(client)) {
            fault("maps a subject to an unknown client; add the client to the issuer");
        }
        faults
    }
}
