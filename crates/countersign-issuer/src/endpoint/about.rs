//! Requests about a token (RFC 7009 §2.1, RFC 7662 §2.1): a client that proves who it is, and the token.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};

use super::{Form, OAuthError, Presented, peer};
use crate::audit;
use crate::client::Client;
use crate::server::Issuer;

/// Lets `answer` speak to a client of ours that names a token; refuses anybody and anything else.
pub(super) async fn about_a_token(
    issuer: &Issuer,
    request: Request,
    answer: impl AsyncFnOnce(&Issuer, &Client, &str) -> Result<Response, OAuthError>,
) -> Response {
    let peer = peer(&request);
    let answered = async {
        let (headers, form) = Form::of(request).await?;
        let client = issuer.authenticate(Presented::find(&headers, &form)?, peer).await?;
        let token = form.one("token").ok_or(OAuthError::invalid_request("token is missing"))?;
        answer(issuer, &client, token).await
    };
    answered.await.unwrap_or_else(|refusal| {
        audit::refused(None, peer, &refusal);
        refusal.into_response()
    })
}
