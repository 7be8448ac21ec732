//! The counts, with at least one of the features.

use std::sync::LazyLock;
use std::time::Instant;

use countersign_core::error::VerifyErrorKind;
use countersign_core::integration::Counter;
use countersign_core::proof::ProofErrorKind;
use countersign_core::token::CredentialKind;

/// The codes of refusals besides those of tokens, each with its outcome.
const OTHER_CODES: [(&str, &str); 16] = [
    ("transaction_token_invalid", REFUSED),
    ("transaction_token_expired", REFUSED),
    ("transaction_token_malformed", REFUSED),
    ("transaction_token_required", DENIED),
    ("transaction_keys_unavailable", UNAVAILABLE),
    ("no_token", REFUSED),
    ("invalid_request", REFUSED),
    ("revocation_unavailable", UNAVAILABLE),
    ("forbidden", DENIED),
    ("insufficient_scope", DENIED),
    ("insufficient_user_authentication", DENIED),
    ("claims_schema", DENIED),
    ("bound_token_required", DENIED),
    ("not_found", DENIED),
    ("upstream_unavailable", CALL_FAILED),
    ("upstream_refused", CALL_FAILED),
];

/// The caller is not authenticated: 400 or 401.
const REFUSED: &str = "refused";

/// The caller is authenticated, and may not do this: 403, 404, or 401 for a step-up.
const DENIED: &str = "denied";

/// The decision is not possible now: 503.
const UNAVAILABLE: &str = "unavailable";

/// A call to another service failed: 502 or 503.
const CALL_FAILED: &str = "call_failed";

struct Counts {
    /// By kind of credential, in the order of [`CredentialKind::ALL`].
    authenticated: Vec<Counter>,
    refusals: Vec<(&'static str, &'static str, Counter)>,
}

static COUNTS: LazyLock<Counts> = LazyLock::new(|| {
    let of_tokens = VerifyErrorKind::ALL.iter().map(|kind| match kind {
        kind if kind.is_unavailable() => (kind.code(), UNAVAILABLE),
        _ => (kind.code(), REFUSED),
    });
    let of_proofs = ProofErrorKind::ALL.iter().map(|kind| match kind {
        ProofErrorKind::Undecided => (kind.code(), UNAVAILABLE),
        _ => (kind.code(), REFUSED),
    });
    let refusals = of_tokens
        .chain(of_proofs)
        .chain(OTHER_CODES)
        .map(|(code, outcome)| (code, outcome, Counter::default()))
        .collect();
    let authenticated = CredentialKind::ALL.iter().map(|_| Counter::default()).collect();
    Counts { authenticated, refusals }
});

pub(crate) fn authenticated(kind: CredentialKind) {
    if let Some(counter) = COUNTS.authenticated.get(kind as usize) {
        counter.increment();
    }
}

/// The number of authenticated requests by kind of credential.
pub(crate) fn callers() -> impl Iterator<Item = (&'static str, u64)> {
    CredentialKind::ALL.iter().zip(&COUNTS.authenticated).map(|(kind, counter)| (kind.name(), counter.sum()))
}

/// Counts a refused request by its exact code.
pub(crate) fn refused(code: &'static str) {
    if let Some((.., counter)) = COUNTS.refusals.iter().find(|(known, ..)| *known == code) {
        counter.increment();
    }
}

/// The number of requests by outcome and code.
pub(crate) fn requests() -> impl Iterator<Item = (&'static str, &'static str, u64)> {
    let authenticated = ("authenticated", "ok", callers().map(|(_, number)| number).sum());
    let refusals = COUNTS.refusals.iter().map(|(code, outcome, counter)| (*outcome, *code, counter.sum()));
    std::iter::once(authenticated).chain(refusals)
}

/// The histogram of the times of verifications.
pub(crate) const DURATION_NAME: &str = "countersign_verification_duration_seconds";

/// Measures one verification that the cache did not save.
pub(crate) struct VerificationTimer(Instant);

impl VerificationTimer {
    pub(crate) fn start() -> Self {
        VerificationTimer(Instant::now())
    }

    pub(crate) fn stop(self) {
        let seconds = self.0.elapsed().as_secs_f64();
        #[cfg(feature = "metrics")]
        ::metrics::histogram!(DURATION_NAME).record(seconds);
        #[cfg(feature = "otel")]
        if let Some(histogram) = DURATION.get() {
            histogram.record(seconds, &[]);
        }
    }
}

#[cfg(feature = "otel")]
static DURATION: std::sync::OnceLock<countersign_core::integration::DurationHistogram> = std::sync::OnceLock::new();

/// Sends the times of verifications to this histogram from now on.
#[cfg(feature = "otel")]
pub(crate) fn set_duration_histogram(histogram: countersign_core::integration::DurationHistogram) {
    let _ = DURATION.set(histogram);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_counted_once_and_no_other_makes_a_label() {
        let codes: Vec<_> = requests().map(|(_, code, _)| code).collect();
        let unique: std::collections::BTreeSet<_> = codes.iter().collect();
        assert_eq!(unique.len(), codes.len());
        refused("an unknown code");
        assert_eq!(requests().count(), codes.len());
        refused("forbidden");
        assert!(requests().any(|(outcome, code, count)| (outcome, code) == ("denied", "forbidden") && count > 0));
    }
}
