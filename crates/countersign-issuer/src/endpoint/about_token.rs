//! Requests of an authenticated client about a token (RFC 7009 §2.1, RFC 7662 §2.1).

use axum::extract::Request;
use axum::response::Response;

use super::peer::peer;
use super::refusal::refuse;
use crate::client::Client;
use crate::oauth::{ClientIdentification, Form, OAuthError};
use crate::service::Issuer;

/// Authenticates the client, reads the token, and calls `answer` with both.
pub(super) async fn about_token(
    issuer: &Issuer,
    request: Request,
    answer: impl AsyncFnOnce(&Issuer, &Client, &str) -> Result<Response, OAuthError>,
) -> Response {
    let peer = peer(&request);
    let answered = async {
        let (headers, form) = Form::from_request(request).await?;
        let client = issuer.authenticate(ClientIdentification::from_request(&headers, &form)?, peer).await?;
        let token = form.one("token").ok_or(OAuthError::invalid_request("token is missing"))?;
        answer(issuer, &client, token).await
    };
    answered.await.unwrap_or_else(|error| refuse(issuer, None, peer, error))
}
