//! Every reason for which a request is answered by us, and its status.

use std::time::Duration;

use countersign_core::authz::Denial;
use countersign_core::error::{VerifyError, VerifyErrorKind as Kind};
use http::StatusCode;

/// When to ask again where revocation could not be told.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A request that goes no further.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// No credentials: 401, a bare challenge.
    NoToken,
    /// Several credentials, or malformed ones: 400.
    InvalidRequest,
    /// A token that was refused (401) or could not be judged (503).
    Token(VerifyError),
    /// Nobody could tell whether the token was revoked: 503.
    RevocationUnknown,
    /// A good token that is not enough: 403, 401 for a step-up, 404 for what is hidden.
    Denied(Denial),
}

impl Refusal {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Refusal::NoToken => StatusCode::UNAUTHORIZED,
            Refusal::InvalidRequest => StatusCode::BAD_REQUEST,
            Refusal::Token(error) if error.is_unavailable() => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::RevocationUnknown => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Token(_) | Refusal::Denied(Denial::StepUp { .. }) => StatusCode::UNAUTHORIZED,
            Refusal::Denied(Denial::NotFound) => StatusCode::NOT_FOUND,
            Refusal::Denied(_) => StatusCode::FORBIDDEN,
        }
    }

    /// The code that callers are told: coarse on purpose, the log has the exact one.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Refusal::NoToken => "no_token",
            Refusal::InvalidRequest => "invalid_request",
            Refusal::Token(error) => match error.kind() {
                Kind::Expired => "token_expired",
                Kind::NotYetValid | Kind::IssuedInFuture => "token_not_yet_valid",
                Kind::KeysUnavailable => "keys_unavailable",
                _ => "token_invalid",
            },
            Refusal::RevocationUnknown => "revocation_unavailable",
            Refusal::Denied(denial) => denial.code(),
        }
    }

    /// The constant sentence that goes with the code (S10.08).
    pub(crate) fn sentence(&self) -> &'static str {
        match self.code() {
            "no_token" => "authentication is required",
            "invalid_request" => "exactly one well-formed bearer token is required",
            "token_expired" => "the token expired",
            "token_not_yet_valid" => "the token is not yet valid",
            "keys_unavailable" | "revocation_unavailable" => "the token cannot be judged at this moment",
            "insufficient_scope" => "the token lacks a scope",
            "insufficient_user_authentication" => "a more recent or stronger authentication is required",
            "claims_schema" => "the token's claims are not of the form that this service needs",
            "not_found" => "there is no such thing",
            "forbidden" => "the caller may not do this",
            _ => "the token is invalid",
        }
    }

    /// When to ask again, of what could not be judged.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Refusal::Token(error) => error.retry_after(),
            Refusal::RevocationUnknown => Some(RETRY_AFTER),
            _ => None,
        }
    }

    /// The `error` of RFC 6750 §3.1; a request without credentials gets none.
    pub(crate) fn challenge_error(&self) -> Option<&'static str> {
        match self {
            Refusal::NoToken | Refusal::RevocationUnknown => None,
            Refusal::InvalidRequest => Some("invalid_request"),
            Refusal::Token(error) => (!error.is_unavailable()).then_some("invalid_token"),
            Refusal::Denied(Denial::Scopes(_)) => Some("insufficient_scope"),
            Refusal::Denied(Denial::StepUp { .. }) => Some("insufficient_user_authentication"),
            Refusal::Denied(_) => None,
        }
    }
}
