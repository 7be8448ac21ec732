//! Refusals as RFC 6749 §5.2 writes them. Their texts are fixed: nothing of a request comes back.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A refusal of a token request: the code of the RFCs, and a fixed sentence for whoever set the client up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OAuthError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    description: &'static str,
    retry_after_secs: Option<u64>,
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
        Self::bad_request("unsupported_grant_type", "grant_type is none that is served here")
    }

    pub(crate) const fn unauthorized_client() -> Self {
        Self::bad_request("unauthorized_client", "this client may not use that grant")
    }

    /// RFC 7523 §3.1.
    pub(crate) const fn invalid_grant() -> Self {
        Self::bad_request("invalid_grant", "the assertion is not accepted")
    }

    /// The same for an unknown, a locked and a mistaken client (S8.04).
    pub(crate) const fn invalid_client() -> Self {
        OAuthError {
            status: StatusCode::UNAUTHORIZED,
            code: "invalid_client",
            description: "the client did not prove who it is",
            retry_after_secs: None,
        }
    }

    pub(crate) const fn too_large() -> Self {
        OAuthError { status: StatusCode::PAYLOAD_TOO_LARGE, ..Self::invalid_request("the body is larger than 64 KiB") }
    }

    /// More secrets are being checked than memory is set aside for.
    pub(crate) const fn busy() -> Self {
        OAuthError {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: "temporarily_unavailable",
            description: "too many clients at once; ask again",
            retry_after_secs: Some(1),
        }
    }

    /// Too many failures from there of late (S8.27).
    pub(crate) const fn throttled(seconds: u64) -> Self {
        OAuthError {
            status: StatusCode::TOO_MANY_REQUESTS,
            code: "temporarily_unavailable",
            description: "too many failed attempts; wait",
            retry_after_secs: Some(seconds),
        }
    }

    /// The fault is ours.
    pub(crate) const fn server_error() -> Self {
        OAuthError {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: "server_error",
            description: "the token could not be made",
            retry_after_secs: None,
        }
    }

    const fn bad_request(code: &'static str, description: &'static str) -> Self {
        OAuthError { status: StatusCode::BAD_REQUEST, code, description, retry_after_secs: None }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.code, "error_description": self.description });
        let mut response = never_stored(self.status, &body);
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            // Needed where Basic was tried (RFC 6749 §5.2), and in every 401 (RFC 9110 §15.5.2).
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"token\""));
        }
        if let Some(seconds) = self.retry_after_secs {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A JSON answer that no cache keeps (RFC 6749 §5.1).
pub(super) fn never_stored(status: StatusCode, body: &serde_json::Value) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];
    (status, headers, body.to_string()).into_response()
}
