//! What a token says, for services that cannot verify by themselves (RFC 7662).

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::OAuthError;
use super::about::about_a_token;
use super::error::never_stored;
use crate::client::Client;
use crate::server::Issuer;

/// What an active token is described by.
const MEMBERS: [&str; 11] = ["iss", "sub", "aud", "client_id", "scope", "exp", "iat", "nbf", "jti", "act", "tenant"];

pub(super) async fn introspection(State(issuer): State<Issuer>, request: Request) -> Response {
    about_a_token(&issuer, request, describe).await
}

async fn describe(issuer: &Issuer, client: &Client, token: &str) -> Result<Response, OAuthError> {
    // Whatever is wrong with a token, and also that it is none of the caller's business, looks the same (S8.26).
    let inactive = || never_stored(StatusCode::OK, &json!({ "active": false }));
    let Some(verified) = issuer.verify_own(token).await? else { return Ok(inactive()) };
    let is_its_business = verified.client_id() == Some(client.id())
        || verified.audiences().any(|audience| audience == client.id() || client.may_see(audience));
    let Ok(claims) = verified.claims::<Map<String, Value>>() else { return Ok(inactive()) };
    if !is_its_business {
        return Ok(inactive());
    }
    let mut body = json!({ "active": true, "token_type": "Bearer" });
    for name in MEMBERS {
        if let Some(value) = claims.get(name) {
            body[name] = value.clone();
        }
    }
    Ok(never_stored(StatusCode::OK, &body))
}
