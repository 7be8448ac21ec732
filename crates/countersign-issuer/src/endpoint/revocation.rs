//! The revocation endpoint (RFC 7009).

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::about_token::about_token;
use crate::audit;
use crate::client::Client;
use crate::counts::{Counts, Outcome};
use crate::oauth::{OAuthError, json_response};
use crate::service::Issuer;

pub(super) async fn revocation(State(issuer): State<Issuer>, request: Request) -> Response {
    about_token(&issuer, request, Counts::revocation, revoke).await
}

async fn revoke(issuer: &Issuer, client: &Client, token: &str) -> Result<(Response, Outcome), OAuthError> {
    // An invalid token needs no revocation (RFC 7009 §2.2). `token_type_hint` is ignored.
    let mut outcome = Outcome::Inactive;
    if let Some(verified) = issuer.verify_own_at_issue(token).await? {
        if verified.client_id() != Some(client.id()) {
            return Err(OAuthError::invalid_request("the token was issued to another client"));
        }
        issuer.revoke_for(client, &verified).await?;
        audit::token_revoked(client.id(), verified.token_id().unwrap_or_default());
        outcome = Outcome::Ok;
    }
    Ok((json_response(StatusCode::OK, &serde_json::json!({})), outcome))
}
