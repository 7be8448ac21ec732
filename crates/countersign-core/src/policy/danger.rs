//! Every way to weaken a policy, in one searchable place. Each use is logged at WARN when a verifier is built.

use super::{NeedsAudience, TrustedIssuer};

/// Takes tokens of this issuer whatever their audience: a token made for any other service works here too.
///
/// For tools that inspect tokens, or issuers that write no audience while another rule tells services apart.
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

/// Takes tokens of every `typ`, ID tokens and logout tokens too: what was made for one purpose works for another.
///
/// For tools that look at tokens of all kinds. A service that takes another kind than access tokens names it with
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

/// Accepts an `issuer` that is plain `http` off loopback: whoever sits on the path can hand us keys.
pub fn plain_http_issuer(issuer: TrustedIssuer) -> TrustedIssuer {
    issuer.allowing_plain_http()
}
