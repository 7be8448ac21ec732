//! Error responses of RFC 6749 §5.2. Their texts are fixed, so a response repeats nothing of the request.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A refused request: a registered error code, and a fixed description for the developer of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OAuthError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    description: &'static str,
    retry_after_secs: Option<u64>,
    /// The exact code of the cause, for the log.
    pub(crate) reason: Option<&'static str>,
}

impl OAuthError {
    pub(crate) const fn invalid_request(description: &'static str) -> Self {
        Self::bad_request("invalid_request", description)
    }

    pub(crate) const fn invalid_scope(description: &'static str) -> Self {
        Self::bad_request("invalid_scope", description)
    }

    /// RFC 8707 §2.
    pub(crate) const fn invalid_target(description: &'static str) -> Self {
        Self::bad_request("invalid_target", description)
    }

    pub(crate) const fn unsupported_grant_type() -> Self {
        Self::bad_request("unsupported_grant_type", "grant_type is not supported")
    }

    pub(crate) const fn unauthorized_client() -> Self {
        Self::bad_request("unauthorized_client", "this client may not use this grant type")
    }

    /// RFC 7523 §3.1.
    pub(crate) const fn invalid_grant() -> Self {
        Self::bad_request("invalid_grant", "the assertion was not accepted")
    }

    /// RFC 9449 §5.
    pub(crate) const fn invalid_dpop_proof(description: &'static str) -> Self {
        Self::bad_request("invalid_dpop_proof", description)
    }

    /// RFC 9449 §8.
    pub(crate) const fn use_dpop_nonce() -> Self {
        Self::bad_request("use_dpop_nonce", "the proof needs the nonce of the header DPoP-Nonce; repeat the request")
    }

    /// With the exact code of the cause, for the log.
    pub(crate) const fn because(self, reason: &'static str) -> Self {
        OAuthError { reason: Some(reason), ..self }
    }

    /// The same for an unknown client, a locked client and a wrong secret.
    pub(crate) const fn invalid_client() -> Self {
        OAuthError {
            status: StatusCode::UNAUTHORIZED,
            code: "invalid_client",
            description: "client authentication failed",
            retry_after_secs: None,
            reason: None,
        }
    }

    pub(crate) const fn method_not_allowed() -> Self {
        OAuthError { status: StatusCode::METHOD_NOT_ALLOWED, ..Self::invalid_request("use POST") }
    }

    pub(crate) const fn too_large() -> Self {
        OAuthError { status: StatusCode::PAYLOAD_TOO_LARGE, ..Self::invalid_request("the body is larger than 64 KiB") }
    }

    pub(crate) const fn too_slow() -> Self {
        OAuthError { status: StatusCode::REQUEST_TIMEOUT, ..Self::invalid_request("the body took over 10 s") }
    }

    /// A bound of this service is reached, or its store is unavailable.
    pub(crate) const fn unavailable() -> Self {
        OAuthError {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: "temporarily_unavailable",
            description: "the service is busy; try again",
            retry_after_secs: Some(1),
            reason: None,
        }
    }

    /// Too many recent failures of this client at this address.
    pub(crate) const fn throttled(seconds: u64) -> Self {
        OAuthError {
            status: StatusCode::TOO_MANY_REQUESTS,
            code: "temporarily_unavailable",
            description: "too many failed attempts; try again later",
            retry_after_secs: Some(seconds),
            reason: None,
        }
    }

    /// A fault of this service.
    pub(crate) const fn server_error() -> Self {
        OAuthError {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: "server_error",
            description: "the token could not be signed",
            retry_after_secs: None,
            reason: None,
        }
    }

    const fn bad_request(code: &'static str, description: &'static str) -> Self {
        OAuthError { status: StatusCode::BAD_REQUEST, code, description, retry_after_secs: None, reason: None }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.code, "error_description": self.description });
        let mut response = json_response(self.status, &body);
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            // Required after Basic credentials (RFC 6749 §5.2) and in every 401 (RFC 9110 §15.5.2).
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"token\""));
        }
        if let Some(seconds) = self.retry_after_secs {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A JSON response that no cache may store (RFC 6749 §5.1).
pub(crate) fn json_response(status: StatusCode, body: &serde_json::Value) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];
    (status, headers, body.to_string()).into_response()
}
