//! The span of a verification, for tracing in OpenTelemetry's terms.

use std::sync::Arc;

use tracing::field::Empty;
use tracing::level_filters::LevelFilter;
use tracing::{Instrument, Span};

use super::verified::Verified;
use crate::error::VerifyError;

/// The span of the verification of one token that is not cached, from the first step to the decision. It includes the wait for
/// keys, and holds no text of the token.
///
/// ```
/// use std::sync::Arc;
/// use countersign_core::integration::Step;
/// use countersign_core::{key::StaticKeys, policy::NeedsAudience, verify::Verifier};
///
/// # async fn example(verifier: &Verifier, token: &str) {
/// if let Step::NeedsKeys(keys) = verifier.verify_with_cached_keys(token) {
///     let outcome = keys.refresh().await;
///     let result = keys.span().finish(|| verifier.verify_after_refresh(token, &outcome));
///     # drop(result);
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct VerificationSpan(Span);

impl VerificationSpan {
    /// Begins a span within the current one; `None` if no subscriber is interested, which costs one comparison.
    #[inline]
    pub(super) fn begin() -> Option<Box<Self>> {
        if LevelFilter::current() < LevelFilter::DEBUG { None } else { Self::begin_if_enabled() }
    }

    #[cold]
    fn begin_if_enabled() -> Option<Box<Self>> {
        let span = tracing::debug_span!(
            target: "countersign::verify",
            "verify token",
            "otel.kind" = "internal",
            issuer = Empty,
            waited_for_keys = Empty,
            "error.type" = Empty,
            "otel.status_code" = Empty,
        );
        (!span.is_disabled()).then(|| Box::new(VerificationSpan(span)))
    }

    /// Runs a part of the verification in the span.
    pub(super) fn run<T>(&self, part: impl FnOnce() -> T) -> T {
        self.0.in_scope(part)
    }

    /// Runs the last part of the verification in the span, and records the decision.
    ///
    /// # Errors
    /// The error of `part`.
    pub fn finish(
        &self,
        part: impl FnOnce() -> Result<Arc<Verified>, VerifyError>,
    ) -> Result<Arc<Verified>, VerifyError> {
        let result = self.run(part);
        self.record(&result);
        result
    }

    /// Waits for keys in the span.
    pub(super) async fn wait<T>(&self, keys: impl Future<Output = T>) -> T {
        self.0.record("waited_for_keys", true);
        keys.instrument(self.0.clone()).await
    }

    /// A refusal is a correct result, and no error of the operation; missing keys are one.
    fn record(&self, result: &Result<Arc<Verified>, VerifyError>) {
        match result {
            Ok(verified) => drop(self.0.record("issuer", verified.issuer())),
            Err(error) => {
                self.0.record("error.type", error.code());
                if error.is_unavailable() {
                    self.0.record("otel.status_code", "ERROR");
                }
            }
        }
    }
}

/// A span that records nothing.
impl Default for VerificationSpan {
    fn default() -> Self {
        VerificationSpan(Span::none())
    }
}
