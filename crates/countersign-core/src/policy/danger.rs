//! Every way to weaken a policy, in one searchable module.
//!
//! Each use is logged at WARN when a verifier is built.

use super::{NeedsAudience, StatusListRules, TrustedIssuer};

/// Accepts tokens of this issuer for any audience, including those made for other services.
///
/// For tools that inspect tokens, and for issuers that write no audience but distinguish services by another rule.
///
/// ```
/// use std::sync::Arc;
/// use countersign_core::{key::StaticKeys, policy::{NeedsAudience, danger}};
///
/// let issuer = NeedsAudience::new("https://id.example.com", Arc::new(StaticKeys::new([])));
/// let issuer = danger::without_audience(issuer);
/// # let _ = issuer;
/// ```
pub fn without_audience(issuer: NeedsAudience) -> TrustedIssuer {
    issuer.any_audience()
}

/// Accepts tokens of every `typ`, including ID tokens and logout tokens, but not transaction tokens.
///
/// A token made for one purpose then works for another. For tools that read tokens of all kinds. A service that accepts
/// tokens other than access tokens names their type with
/// [`TrustedIssuer::token_type`].
///
/// ```
/// use std::sync::Arc;
/// use countersign_core::{key::StaticKeys, policy::{NeedsAudience, danger}};
///
/// let issuer = NeedsAudience::new("https://id.example.com", Arc::new(StaticKeys::new([]))).audience("inspector");
/// let issuer = danger::any_type(issuer);
/// # let _ = issuer;
/// ```
pub fn any_type(issuer: TrustedIssuer) -> TrustedIssuer {
    issuer.of_any_type()
}

/// Accepts an issuer with a plain `http` URL beyond loopback.
///
/// Anyone on the network path can then replace the keys that this service trusts.
pub fn plain_http_issuer(issuer: TrustedIssuer) -> TrustedIssuer {
    issuer.allowing_plain_http()
}

/// Accepts tokens whose status is unknown, because their list cannot be fetched or used.
///
/// Whoever cuts a service off from the host of the lists can then use revoked tokens. The default is 503.
///
/// ```
/// use countersign_core::policy::{StatusListRules, danger};
///
/// let rules = danger::unknown_status_accepted(StatusListRules::new("https://id.example.com/status-lists/"));
/// assert!(rules.accepts_unknown());
/// ```
pub fn unknown_status_accepted(rules: StatusListRules) -> StatusListRules {
    rules.accepting_unknown()
}
