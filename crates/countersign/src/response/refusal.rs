//! The reasons for which a request is refused, with status, code and challenge.

use std::time::Duration;

use countersign_core::authz::Denial;
use countersign_core::error::{VerifyError, VerifyErrorKind as Kind};
use countersign_core::proof::{ProofError, ProofErrorKind};
use http::{HeaderValue, StatusCode};

/// When to retry if nothing states it, such as an unknown revocation status.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The reason for which a request is refused.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// No credentials: 401 with a challenge that names no error.
    NoToken,
    /// Several credentials, or malformed ones: 400.
    InvalidRequest,
    /// The headers of the request do not tell which operation it asks for: 400.
    #[cfg(feature = "axum")]
    UnclearOperation,
    /// A token that was refused (401) or cannot be verified now (503).
    Token(VerifyError),
    /// A proof of possession that was refused (401) or cannot be checked now (503), with the nonce for the next one.
    Proof { error: ProofError, nonce: Option<HeaderValue> },
    /// A transaction token that was refused (401) or cannot be verified now (503).
    Transaction(VerifyError),
    /// Several transaction tokens, or a malformed one: 400.
    MalformedTransaction,
    /// No transaction token, and the layer demands one: 403, since another token of the caller would not help.
    NoTransaction,
    /// A token whose revocation status is unknown: 503.
    RevocationUnknown,
    /// Another service that this one needs cannot be called now: 503.
    #[cfg(all(feature = "axum", feature = "outbound"))]
    UpstreamUnavailable(Option<Duration>),
    /// Another service that this one needs refused: 502.
    #[cfg(all(feature = "axum", feature = "outbound"))]
    UpstreamRefused,
    /// A call on the caller's behalf whose token has expired meanwhile: 401.
    #[cfg(all(feature = "axum", feature = "outbound"))]
    CallerExpired,
    /// A valid token that does not meet a requirement: 403; 401 for a step-up; 404 for a hidden resource.
    Denied(Denial),
}

impl Refusal {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Refusal::NoToken => StatusCode::UNAUTHORIZED,
            Refusal::InvalidRequest | Refusal::MalformedTransaction => StatusCode::BAD_REQUEST,
            #[cfg(feature = "axum")]
            Refusal::UnclearOperation => StatusCode::BAD_REQUEST,
            Refusal::NoTransaction => StatusCode::FORBIDDEN,
            Refusal::Token(error) | Refusal::Transaction(error) if error.is_unavailable() => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Refusal::RevocationUnknown => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Proof { error, .. } if error.is_unavailable() => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Proof { .. } | Refusal::Denied(Denial::ProofRequired) => StatusCode::UNAUTHORIZED,
            #[cfg(all(feature = "axum", feature = "outbound"))]
            Refusal::UpstreamUnavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            #[cfg(all(feature = "axum", feature = "outbound"))]
            Refusal::UpstreamRefused => StatusCode::BAD_GATEWAY,
            #[cfg(all(feature = "axum", feature = "outbound"))]
            Refusal::CallerExpired => StatusCode::UNAUTHORIZED,
            Refusal::Token(_) | Refusal::Transaction(_) | Refusal::Denied(Denial::StepUp { .. }) => {
                StatusCode::UNAUTHORIZED
            }
            Refusal::Denied(Denial::NotFound) => StatusCode::NOT_FOUND,
            Refusal::Denied(_) => StatusCode::FORBIDDEN,
        }
    }

    /// The code that callers see: coarse on purpose, the log has the exact one.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Refusal::NoToken => "no_token",
            Refusal::InvalidRequest => "invalid_request",
            #[cfg(feature = "axum")]
            Refusal::UnclearOperation => "operation_unclear",
            Refusal::Token(error) => match error.kind() {
                Kind::KeysUnavailable => "keys_unavailable",
                Kind::IntrospectionUnavailable => "introspection_unavailable",
                Kind::ApiKeysUnavailable => "api_keys_unavailable",
                // Nothing is stated about a forged token: a reason would show who is trusted.
                _ if !error.is_signature_verified() => "token_invalid",
                Kind::Expired => "token_expired",
                Kind::NotYetValid | Kind::IssuedInFuture => "token_not_yet_valid",
                _ => "token_invalid",
            },
            Refusal::Transaction(error) => match error.kind() {
                kind if kind.is_unavailable() => "transaction_keys_unavailable",
                Kind::Expired if error.is_signature_verified() => "transaction_token_expired",
                _ => "transaction_token_invalid",
            },
            Refusal::MalformedTransaction => "transaction_token_malformed",
            Refusal::NoTransaction => "transaction_token_required",
            Refusal::RevocationUnknown => "revocation_unavailable",
            Refusal::Proof { error, .. } => match error.kind() {
                ProofErrorKind::Undecided | ProofErrorKind::ShareUsedUp => "proof_unavailable",
                ProofErrorKind::NonceRequired => "use_dpop_nonce",
                _ => "invalid_dpop_proof",
            },
            #[cfg(all(feature = "axum", feature = "outbound"))]
            Refusal::UpstreamUnavailable(_) => "upstream_unavailable",
            #[cfg(all(feature = "axum", feature = "outbound"))]
            Refusal::UpstreamRefused => "upstream_refused",
            #[cfg(all(feature = "axum", feature = "outbound"))]
            Refusal::CallerExpired => "token_expired",
            Refusal::Denied(denial) => denial.code(),
        }
    }

    /// The code for logs and counts.
    pub(crate) fn exact_code(&self) -> &'static str {
        match self {
            Refusal::Token(error) => error.code(),
            Refusal::Proof { error, .. } => error.code(),
            #[cfg(all(feature = "axum", feature = "outbound"))]
            Refusal::CallerExpired => Kind::Expired.code(),
            _ => self.code(),
        }
    }

    /// The constant sentence that belongs to the code.
    pub(crate) fn title(&self) -> &'static str {
        match self.code() {
            "no_token" => "authentication is required",
            "invalid_request" => "exactly one well-formed bearer token is required",
            "operation_unclear" => "the headers of the request do not tell which operation it asks for",
            "token_expired" => "the token has expired",
            "token_not_yet_valid" => "the token is not yet valid",
            "transaction_token_invalid" => "the transaction token is invalid",
            "transaction_token_expired" => "the transaction token has expired",
            "transaction_token_malformed" => "the header Txn-Token is not exactly one well-formed token",
            "transaction_token_required" => "a transaction token is required",
            "transaction_keys_unavailable" => "the transaction token cannot be verified at the moment",
            "keys_unavailable" | "introspection_unavailable" | "api_keys_unavailable" | "revocation_unavailable" => {
                "the token cannot be verified at the moment"
            }
            "upstream_unavailable" => "a service that is needed for the answer is not available at the moment",
            "upstream_refused" => "a service that is needed for the answer refused the request",
            "proof_unavailable" => "the proof of possession cannot be checked at the moment",
            "use_dpop_nonce" => "the proof of possession needs the nonce of this answer",
            "invalid_dpop_proof" => "the proof of possession is missing or invalid",
            "bound_token_required" => "a token that is bound to a key of its sender is required, with a proof",
            "insufficient_scope" => "the token lacks a required scope",
            "insufficient_user_authentication" => "a more recent or stronger authentication is required",
            "claims_schema" => "the token's claims do not have the form that this service requires",
            "not_found" => "not found",
            "forbidden" => "access denied",
            _ => "the token is invalid",
        }
    }

    /// When to retry a 503.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Refusal::Token(error) | Refusal::Transaction(error) => error.retry_after(),
            Refusal::RevocationUnknown => Some(RETRY_AFTER),
            Refusal::Proof { error, .. } if error.is_unavailable() => Some(RETRY_AFTER),
            #[cfg(all(feature = "axum", feature = "outbound"))]
            Refusal::UpstreamUnavailable(retry_after) => Some(retry_after.unwrap_or(RETRY_AFTER)),
            _ => None,
        }
    }

    /// The nonce for the caller's next proof.
    pub(crate) fn nonce(&self) -> Option<&HeaderValue> {
        match self {
            Refusal::Proof { error, nonce } if !error.is_unavailable() => nonce.as_ref(),
            _ => None,
        }
    }

    /// The `error` of RFC 6750 §3.1; none for a request without credentials.
    pub(crate) fn challenge_error(&self) -> Option<&'static str> {
        match self {
            Refusal::NoToken | Refusal::NoTransaction | Refusal::RevocationUnknown => None,
            Refusal::Proof { error, .. } => match error.kind() {
                ProofErrorKind::Undecided | ProofErrorKind::ShareUsedUp => None,
                ProofErrorKind::NonceRequired => Some("use_dpop_nonce"),
                _ => Some("invalid_dpop_proof"),
            },
            Refusal::Denied(Denial::ProofRequired) => Some("invalid_token"),
            #[cfg(all(feature = "axum", feature = "outbound"))]
            Refusal::UpstreamUnavailable(_) | Refusal::UpstreamRefused => None,
            #[cfg(all(feature = "axum", feature = "outbound"))]
            Refusal::CallerExpired => Some("invalid_token"),
            Refusal::InvalidRequest | Refusal::MalformedTransaction => Some("invalid_request"),
            #[cfg(feature = "axum")]
            Refusal::UnclearOperation => Some("invalid_request"),
            Refusal::Token(error) | Refusal::Transaction(error) => (!error.is_unavailable()).then_some("invalid_token"),
            Refusal::Denied(Denial::Scopes(_)) => Some("insufficient_scope"),
            Refusal::Denied(Denial::StepUp { .. }) => Some("insufficient_user_authentication"),
            Refusal::Denied(_) => None,
        }
    }
}
