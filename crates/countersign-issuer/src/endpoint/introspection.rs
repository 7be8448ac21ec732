//! What a token says, for services that cannot verify by themselves (RFC 7662).

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::error::never_stored;
use super::{Form, OAuthError, Presented, peer};
use crate::audit;
use crate::server::Issuer;

/// What an active token is described by.
const MEMBERS: [&str; 11] = ["iss", "sub", "aud", "client_id", "scope", "exp", "iat", "nbf", "jti", "act", "tenant"];

pub(super) async fn introspection(State(issuer): State<Issuer>, request: Request) -> Response {
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
    // Whatever is wrong with a token, and also that it is none of the caller's business, looks the same (S8.26).
    let inactive = || never_stored(StatusCode::OK, &json!({ "active": false }));
    let Some(verified) = issuer.verify_own(token).await else { return Ok(inactive()) };
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
