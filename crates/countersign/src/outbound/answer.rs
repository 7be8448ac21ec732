//! The answer to a request whose handler failed to call another service.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use countersign_core::authz::Denial;
use http::HeaderMap;

use super::challenge::StepUpChallenge;
use super::error::{OutboundError, OutboundErrorKind};
use crate::response::{AnswerForm, Refusal, Responder, SetupFault};
use crate::telemetry;

/// The most authentication contexts that are passed on to the caller.
const MAX_ACR_VALUES: usize = 8;

/// The answer that a handler gives with `?`: a problem (RFC 9457) with constant texts, as the layer's refusals. Nothing that
/// the other service sent is in it, except for the contexts and the age that a step-up requires.
///
/// | error | answer |
/// |---|---|
/// | transient | 503 `upstream_unavailable` with `Retry-After` |
/// | `step_up_required` of a call on behalf of the caller | 401 with the same challenge for the caller (RFC 9470) |
/// | `subject_expired`, `transaction_expired` | 401 `token_expired` |
/// | `origin_not_bound`, `authorization_already_set`, `proof_not_signed`, `redirects_followed`, `no_transaction`, `no_caller` | 500 `internal_error`: a mistake of this service |
/// | any other | 502 `upstream_refused` |
///
/// The error is logged at WARN, unless it is in the log already, as that of a token that was not fetched is.
impl IntoResponse for OutboundError {
    fn into_response(self) -> Response {
        telemetry::call_failed(self.code(), &self, self.is_logged());
        let refusal = match self.kind() {
            OutboundErrorKind::OriginNotBound
            | OutboundErrorKind::AuthorizationAlreadySet
            | OutboundErrorKind::ProofNotSigned
            | OutboundErrorKind::RedirectsFollowed
            | OutboundErrorKind::NoTransaction
            | OutboundErrorKind::NoCaller => return SetupFault.response(AnswerForm::Http).map(Body::from),
            OutboundErrorKind::SubjectExpired | OutboundErrorKind::TransactionExpired => Refusal::CallerExpired,
            OutboundErrorKind::StepUpRequired if self.is_for_caller() => {
                Refusal::Denied(step_up(self.required_step_up()))
            }
            _ if self.is_transient() => Refusal::UpstreamUnavailable(self.retry_after()),
            _ => Refusal::UpstreamRefused,
        };
        Responder::default().refuse(&refusal, &HeaderMap::new(), AnswerForm::Http).map(Body::from)
    }
}

fn step_up(required: Option<&StepUpChallenge>) -> Denial {
    let StepUpChallenge { acr_values, max_age } = required.cloned().unwrap_or_default();
    let acr_values = acr_values.into_iter().filter(|value| !value.is_empty()).take(MAX_ACR_VALUES).collect();
    Denial::StepUp { max_age, acr_values }
}
