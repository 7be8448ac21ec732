//! Requests to an issuer in this process, without a socket.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use countersign_issuer::Issuer;
use serde_json::Value;
use tower::ServiceExt;

/// Posts a form; returns the status, the value of `Retry-After`, and the body.
pub async fn post(issuer: &Issuer, path: &str, authorization: &str, form: &str) -> (StatusCode, Option<String>, Value) {
    let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if !authorization.is_empty() {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    send(issuer, request.body(Body::from(form.to_owned())).expect("a request")).await
}

pub async fn send(issuer: &Issuer, request: Request<Body>) -> (StatusCode, Option<String>, Value) {
    let response = issuer.router().oneshot(request).await.expect("infallible");
    let (status, headers) = (response.status(), response.headers().clone());
    let retry_after = headers.get(header::RETRY_AFTER).map(|value| value.to_str().expect("text").to_owned());
    let body = axum::body::to_bytes(response.into_body(), 65_536).await.expect("a body");
    (status, retry_after, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

pub fn basic(client: &str, secret: &str) -> String {
    format!("Basic {}", base64_simd::STANDARD.encode_to_string(format!("{client}:{secret}")))
}

/// The access token of a response.
pub fn token(body: &Value) -> String {
    body["access_token"].as_str().unwrap_or_else(|| panic!("no token: {body}")).to_owned()
}

pub const CC: &str = "grant_type=client_credentials";
