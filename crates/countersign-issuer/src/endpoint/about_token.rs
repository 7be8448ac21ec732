//! Requests of an authenticated client about a token (RFC 7009 §2.1, RFC 7662 §2.1).

use axum::extract::Request;
use axum::response::Response;

use super::peer::Peer;
use super::refusal::refuse;
use crate::client::Client;
use crate::counts::{Counts, Outcome};
use crate::oauth::{ClientIdentification, Form, OAuthError};
use crate::service::Issuer;

/// Authenticates the client, reads the token, and calls `answer` with both. Passes the outcome to `count`.
pub(super) async fn about_token(
    issuer: &Issuer,
    request: Request,
    count: impl Fn(&Counts, Outcome),
    answer: impl AsyncFnOnce(&Issuer, &Client, &str) -> Result<(Response, Outcome), OAuthError>,
) -> Response {
    let peer = Peer::of(&request);
    let verified = peer.verified(&request);
    let answered = async {
        let (headers, form) = Form::from_request(request).await?;
        let identification = ClientIdentification::from_request(&headers, &form, peer.certificate, verified)?;
        let client = issuer.authenticate(identification, peer.address).await?;
        let token = form.one("token").ok_or(OAuthError::invalid_request("token is missing"))?;
        answer(issuer, &client, token).await
    };
    let answered = answered.await;
    let outcome = answered.as_ref().map_or_else(Outcome::of_error, |(_, outcome)| *outcome);
    count(issuer.counts(), outcome);
    answered.map_or_else(|error| refuse(issuer, None, peer.address, error), |(response, _)| response)
}
