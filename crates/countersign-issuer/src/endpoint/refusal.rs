//! Domain errors as OAuth error responses.

use std::net::IpAddr;

use axum::response::{IntoResponse, Response};
use countersign_core::proof::{ProofError, ProofErrorKind};

use crate::audit::{self, Refused};
use crate::client::AuthenticationError;
use crate::grant::GrantError;
use crate::mint::MintError;
use crate::oauth::OAuthError;
use crate::service::{FederationError, Issuer, RevocationError};
use crate::store::StoreError;

/// Logs a refusal and answers it. `client` is the id that the request names.
pub(super) fn refuse(issuer: &Issuer, client: Option<&str>, peer: Option<IpAddr>, error: OAuthError) -> Response {
    let status = error.status.as_u16();
    if let Some(unlogged) = issuer.refusals().of_status(status).admit(issuer.clock().elapsed()) {
        let OAuthError { code, reason, .. } = error;
        audit::request_refused(&Refused { client, peer, code, reason, status }, unlogged);
    }
    error.into_response()
}

impl From<AuthenticationError> for OAuthError {
    fn from(error: AuthenticationError) -> Self {
        match error {
            AuthenticationError::Rejected => OAuthError::invalid_client(),
            AuthenticationError::Busy => OAuthError::unavailable(),
            AuthenticationError::Throttled { retry_after } => {
                OAuthError::throttled(retry_after.as_secs().saturating_add(1))
            }
        }
    }
}

impl From<FederationError> for OAuthError {
    fn from(error: FederationError) -> Self {
        match error {
            FederationError::Rejected => OAuthError::invalid_grant(),
            FederationError::KeysUnavailable => OAuthError::unavailable(),
        }
    }
}

impl From<GrantError> for OAuthError {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::InvalidRequest(description) => OAuthError::invalid_request(description),
            GrantError::InvalidGrant(reason) => OAuthError::invalid_grant().because(reason),
            GrantError::InvalidScope(description) => OAuthError::invalid_scope(description),
            GrantError::InvalidTarget(description) => OAuthError::invalid_target(description),
            GrantError::Unavailable => OAuthError::server_error(),
            GrantError::Store => OAuthError::unavailable(),
        }
    }
}

impl From<MintError> for OAuthError {
    fn from(error: MintError) -> Self {
        match error {
            MintError::Expired => OAuthError::invalid_request("a presented token is not accepted"),
            MintError::TooLarge => OAuthError::invalid_request("the token would be larger than 7 KiB"),
            MintError::KeysWithdrawn | MintError::Statuses(_) => OAuthError::unavailable(),
            MintError::MissingClaim(_)
            | MintError::SubjectIsClient
            | MintError::SubjectOfProvider
            | MintError::InvalidExpiry
            | MintError::UnknownAudience
            | MintError::Signing => OAuthError::server_error(),
        }
    }
}

impl From<RevocationError> for OAuthError {
    fn from(_: RevocationError) -> Self {
        OAuthError::unavailable()
    }
}

impl From<ProofError> for OAuthError {
    fn from(error: ProofError) -> Self {
        let refused = match error.kind() {
            ProofErrorKind::Undecided => OAuthError::unavailable(),
            ProofErrorKind::NonceRequired => OAuthError::use_dpop_nonce(),
            kind => OAuthError::invalid_dpop_proof(fault_of_proof(kind)),
        };
        refused.because(error.code())
    }
}

/// A description for the developer of the client, in the characters of RFC 6749 §5.2.
const fn fault_of_proof(kind: ProofErrorKind) -> &'static str {
    match kind {
        ProofErrorKind::Missing => "send exactly one DPoP header, with a proof of its own for each request",
        ProofErrorKind::TooLarge => "the proof is longer than 8 KiB",
        ProofErrorKind::Malformed => "the proof is malformed, or htm, htu, iat or jti is missing",
        ProofErrorKind::WrongType => "typ of the proof is not dpop+jwt",
        ProofErrorKind::AlgorithmNotAllowed => {
            "alg of the proof is not one of dpop_signing_alg_values_supported in the metadata"
        }
        ProofErrorKind::BadKey => "jwk of the proof is missing, private or weak, or is no key for its alg",
        ProofErrorKind::NotFresh => "the proof is too old, or from the future; compare the clocks",
        ProofErrorKind::WrongMethod => "htm of the proof is not POST",
        ProofErrorKind::WrongUri => "htu of the proof is not the token_endpoint of the metadata",
        ProofErrorKind::BadSignature => "the proof is not signed with the key in its jwk",
        ProofErrorKind::Replayed => "the proof was used before, or may have been; make a new one for each request",
        _ => "the proof is not accepted",
    }
}

impl From<StoreError> for OAuthError {
    fn from(_: StoreError) -> Self {
        OAuthError::unavailable()
    }
}
