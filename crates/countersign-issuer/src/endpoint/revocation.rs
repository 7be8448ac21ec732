//! Taking a token back (RFC 7009).

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::error::never_stored;
use super::{Form, OAuthError, Presented, peer};
use crate::audit;
use crate::server::Issuer;

pub(super) async fn revocation(State(issuer): State<Issuer>, request: Request) -> Response {
    let peer = peer(&request);
    answer(&issuer, request).await.unwrap_or_else(|refusal| {
        audit::refused(None, peer, &refusal);
        refusal.into_response()
    })
}

async fn answer(issuer: &Issuer, request: Request) -> Result<Response, OAuthError> {
    let peer = peer(&request);
    let (headers, form) = Form::of(request).await?;
    let client = issuer.authenticate(Presented::find(&headers, &form)?, peer).await?;
    let token = form.one("token").ok_or(OAuthError::invalid_request("token is missing"))?;
    // One that is good for nothing any more needs no revocation (RFC 7009 §2.2). `token_type_hint` is not needed.
    if let Some(verified) = issuer.verify_own(token).await {
        if verified.client_id() != Some(client.id()) {
            return Err(OAuthError::invalid_request("the token was issued to another client"));
        }
        let token_id = verified.token_id().unwrap_or_default(); // required of our own tokens
        issuer.revoke_token(token_id, verified.expires_at()).map_err(|_| OAuthError::busy())?;
        audit::revoked(&client, token_id);
    }
    Ok(never_stored(StatusCode::OK, &serde_json::json!({})))
}
