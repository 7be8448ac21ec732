//! Status lists (draft-ietf-oauth-status-list-21 §8).

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::jwks::is_cached;
use crate::oauth::OAuthError;
use crate::service::Issuer;

pub(super) async fn status_list(
    State(issuer): State<Issuer>,
    Path(number): Path<String>,
    headers: HeaderMap,
) -> Response {
    issuer.maintain_keys().await;
    let Some(statuses) = issuer.statuses() else { return StatusCode::NOT_FOUND.into_response() };
    // One spelling: the address is compared byte for byte.
    let number = number.parse::<u64>().ok().filter(|list| list.to_string() == number);
    let Some(number) = number else { return StatusCode::NOT_FOUND.into_response() };
    if issuer.is_withdrawn() {
        return OAuthError::unavailable().into_response();
    }
    let list = match statuses.published(number, &issuer.published().signer).await {
        Ok(Some(list)) => list,
        Ok(None) => return StatusCode::NOT_FOUND.into_response(),
        Err(_) => return OAuthError::unavailable().into_response(),
    };
    let common = [
        (header::CACHE_CONTROL, format!("public, max-age={}", statuses.max_age())),
        (header::ETAG, format!("W/{}", list.etag)),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*".to_owned()),
    ];
    if is_cached(&headers, &list.etag) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (StatusCode::OK, common, [(header::CONTENT_TYPE, "application/statuslist+jwt")], list.token.clone()).into_response()
}
