//! Taking a token back (RFC 7009).

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::OAuthError;
use super::about::about_a_token;
use super::error::never_stored;
use crate::audit;
use crate::client::Client;
use crate::server::Issuer;

pub(super) async fn revocation(State(issuer): State<Issuer>, request: Request) -> Response {
    about_a_token(&issuer, request, revoke).await
}

async fn revoke(issuer: &Issuer, client: &Client, token: &str) -> Result<Response, OAuthError> {
    // One that is good for nothing any more needs no revocation (RFC 7009 §2.2). `token_type_hint` is not needed.
    if let Some(verified) = issuer.verify_own(token).await? {
        if verified.client_id() != Some(client.id()) {
            return Err(OAuthError::invalid_request("the token was issued to another client"));
        }
        let token_id = verified.token_id().unwrap_or_default(); // required of our own tokens
        issuer.revoke(token_id, verified.expires_at()).await?;
        audit::revoked(client, token_id);
    }
    Ok(never_stored(StatusCode::OK, &serde_json::json!({})))
}
