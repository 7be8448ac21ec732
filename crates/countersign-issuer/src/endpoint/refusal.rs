//! Domain errors as OAuth error responses.

use std::net::IpAddr;

use axum::response::{IntoResponse, Response};

use crate::audit;
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
        audit::request_refused(client, peer, error.code, status, unlogged);
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
            GrantError::InvalidScope(description) => OAuthError::invalid_scope(description),
            GrantError::InvalidTarget(description) => OAuthError::invalid_target(description),
            GrantError::Store => OAuthError::unavailable(),
        }
    }
}

impl From<MintError> for OAuthError {
    fn from(error: MintError) -> Self {
        match error {
            MintError::Expired => OAuthError::invalid_request("a presented token is not accepted"),
            MintError::TooLarge => OAuthError::invalid_request("the token would be larger than 7 KiB"),
            MintError::KeysWithdrawn => OAuthError::unavailable(),
            MintError::MissingClaim(_)
            | MintError::SubjectIsClient
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

impl From<StoreError> for OAuthError {
    fn from(_: StoreError) -> Self {
        OAuthError::unavailable()
    }
}
