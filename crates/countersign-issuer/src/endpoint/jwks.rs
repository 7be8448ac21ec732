//! The key set (RFC 7517 §5).

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::oauth::OAuthError;
use crate::rotation::JWKS_MAX_AGE;
use crate::service::Issuer;

pub(super) async fn jwks(State(issuer): State<Issuer>, headers: HeaderMap) -> Response {
    issuer.maintain_keys().await;
    if issuer.is_withdrawn() {
        return OAuthError::unavailable().into_response();
    }
    let published = issuer.published();
    let common = [
        (header::CACHE_CONTROL, format!("public, max-age={}", JWKS_MAX_AGE.as_secs())),
        (header::ETAG, published.etag.clone()),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*".to_owned()),
    ];
    if is_cached(&headers, &published.etag) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, "application/jwk-set+json")];
    (StatusCode::OK, common, content_type, published.jwks.clone()).into_response()
}

/// Returns whether the caller has this version cached (RFC 9110 §13.1.2).
pub(super) fn is_cached(headers: &HeaderMap, etag: &str) -> bool {
    let lines = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.trim_start_matches("W/") == etag)
}
