//! The introspection endpoint, for services that do not verify tokens themselves (RFC 7662).

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::about_token::about_token;
use crate::client::Client;
use crate::counts::{Counts, Outcome};
use crate::oauth::{OAuthError, json_response, token_type};
use crate::policy::{CLIENT_SUBJECT_CLAIM, TENANT_CLAIM};
use crate::service::Issuer;

/// The claims that describe an active token.
const MEMBERS: [&str; 13] = [
    "iss",
    "sub",
    "aud",
    "client_id",
    "scope",
    "exp",
    "iat",
    "nbf",
    "jti",
    "act",
    "cnf",
    TENANT_CLAIM,
    CLIENT_SUBJECT_CLAIM,
];

pub(super) async fn introspection(State(issuer): State<Issuer>, request: Request) -> Response {
    about_token(&issuer, request, Counts::introspection, describe).await
}

async fn describe(issuer: &Issuer, client: &Client, token: &str) -> Result<(Response, Outcome), OAuthError> {
    // The same answer for an invalid token and for one that the client may not introspect.
    let inactive = || (json_response(StatusCode::OK, &json!({ "active": false })), Outcome::Inactive);
    let Some(verified) = issuer.verify_own(token, client).await? else { return Ok(inactive()) };
    let may_introspect = verified.client_id() == Some(client.id())
        || verified.audiences().any(|audience| audience == client.id() || client.may_introspect(audience));
    let Ok(claims) = verified.claims::<Map<String, Value>>() else { return Ok(inactive()) };
    if !may_introspect {
        return Ok(inactive());
    }
    let is_bound = verified.binding().is_some_and(|binding| binding.key().is_some());
    let mut body = json!({ "active": true, "token_type": token_type(is_bound) });
    for name in MEMBERS {
        if let Some(value) = claims.get(name) {
            body[name] = value.clone();
        }
    }
    Ok((json_response(StatusCode::OK, &body), Outcome::Ok))
}
