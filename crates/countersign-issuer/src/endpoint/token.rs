//! The token endpoint (RFC 6749 §3.2): the way of a request on one screen.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::error::never_stored;
use super::{Form, OAuthError, Presented, peer};
use crate::audit;
use crate::client::Client;
use crate::grant::Grant;
use crate::server::Issuer;

pub(super) async fn token(State(issuer): State<Issuer>, request: Request) -> Response {
    issuer.tend_keys().await;
    let peer = peer(&request);
    let mut client_id = None;
    let answer = match Form::of(request).await {
        Ok((_, form)) if form.one("grant_type") == Some(Grant::JwtBearer.name()) => federated(&issuer, &form).await,
        Ok((headers, form)) => match Presented::find(&headers, &form) {
            Ok(presented) => {
                client_id = Some(presented.client_id.clone());
                answer(&issuer, &form, presented, peer).await
            }
            Err(refusal) => Err(refusal),
        },
        Err(refusal) => Err(refusal),
    };
    answer.unwrap_or_else(|refusal| {
        audit::refused(client_id.as_deref(), peer, &refusal);
        refusal.into_response()
    })
}

async fn answer(
    issuer: &Issuer,
    form: &Form,
    presented: Presented,
    peer: Option<IpAddr>,
) -> Result<Response, OAuthError> {
    let client = issuer.authenticate(presented, peer).await?;
    let grant_type = form.one("grant_type").ok_or(OAuthError::invalid_request("grant_type is missing"))?;
    let grant =
        Grant::ALL.into_iter().find(|grant| grant.name() == grant_type).ok_or(OAuthError::unsupported_grant_type())?;
    if !client.grants.contains(&grant) {
        return Err(OAuthError::unauthorized_client());
    }
    respond(issuer, &client, grant, form).await
}

/// The assertion is the proof: a client that also authenticates is not asked for it (RFC 7523 §3.1).
async fn federated(issuer: &Issuer, form: &Form) -> Result<Response, OAuthError> {
    let assertion = form.one("assertion").ok_or(OAuthError::invalid_request("assertion is missing"))?;
    let client = issuer.federated(assertion).await?;
    respond(issuer, &client, Grant::JwtBearer, form).await
}

async fn respond(issuer: &Issuer, client: &Client, grant: Grant, form: &Form) -> Result<Response, OAuthError> {
    let granted = grant.give(issuer, client, form).await?;
    let token = issuer.issue(client, &granted)?;
    audit::issued(client, grant, &granted, &token);

    let mut body = json!({
        "access_token": token.as_str(),
        "token_type": "Bearer",
        "expires_in": token.lifetime().as_secs(),
    });
    if !granted.scope.is_empty() {
        body["scope"] = Value::from(granted.scope.to_text());
    }
    if let Some(issued_token_type) = granted.issued_token_type {
        body["issued_token_type"] = Value::from(issued_token_type);
    }
    Ok(never_stored(StatusCode::OK, &body))
}
