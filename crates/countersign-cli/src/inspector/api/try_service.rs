//! Sends a token to a local service, and compares the response with the verifier's decision.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};

use super::response::{Answer, Refusal};
use super::verify::{Trust, verify};
use crate::exit::Failure;
use crate::inspector::state::{ANSWER_WITHIN, Inspector};
use crate::{fetch, input, output};

/// Maximum size of a response body shown, in bytes.
const MAX_BODY_BYTES: usize = 4096;

#[derive(Deserialize)]
pub(super) struct Attempt {
    url: String,
    method: String,
    token: String,
    #[serde(default)]
    trust: Trust,
}

/// Sends the token, and verifies it with the settings of the page.
pub(super) async fn answer(State(state): State<Arc<Inspector>>, Json(attempt): Json<Attempt>) -> Answer {
    let url = state.local(&attempt.url)?;
    let token = input::unwrapped(&attempt.token);
    let response = send(&state, &url, &attempt.method, Some(&token)).await?;
    let verification = verify(Arc::clone(&state), token, attempt.trust).await?;
    let compared = compared(&verification, response.status);
    Ok(Json(
        json!({ "answer": response.shown, "status": response.status, "verification": verification, "compared": compared }),
    ))
}

/// The response of a service.
pub(super) struct ServiceResponse {
    pub(super) status: u16,
    /// The nonce for the next proof (RFC 9449 §8).
    pub(super) nonce: Option<String>,
    pub(super) shown: Value,
}

/// One request with `token` as its bearer token.
pub(super) async fn send(
    state: &Inspector,
    url: &Url,
    method: &str,
    token: Option<&str>,
) -> Result<ServiceResponse, Failure> {
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        let value = fetch::bearer(token)
            .ok_or_else(|| Failure::usage("the token has characters that are not allowed in a header"))?;
        headers.insert(header::AUTHORIZATION, value);
    }
    send_with(state, url, method, headers).await
}

/// The method that the page names.
pub(super) fn method_named(text: &str) -> Result<Method, Failure> {
    Method::from_bytes(text.trim().to_ascii_uppercase().as_bytes()).map_err(|_| Failure::usage("not an HTTP method"))
}

/// One request with these headers.
pub(super) async fn send_with(
    state: &Inspector,
    url: &Url,
    method: &str,
    headers: HeaderMap,
) -> Result<ServiceResponse, Failure> {
    let method = method_named(method)?;
    let started = Instant::now();
    let sent = state.client.request(method, url.clone()).headers(headers).send().await;
    let mut response = sent.map_err(|error| {
        let why = fetch::failure_reason(&error, ANSWER_WITHIN);
        Failure::usage(format!("{}: {why}", output::safe(url.as_str())))
    })?;
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY_BYTES {
            body.truncate(MAX_BODY_BYTES);
            break;
        }
    }
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let challenges: Vec<String> = headers.get_all(header::WWW_AUTHENTICATE).iter().map(text).collect();
    let listed: Vec<Value> = headers.iter().map(|(name, value)| json!([name.as_str(), text(value)])).collect();
    Ok(ServiceResponse {
        status: status.as_u16(),
        nonce: headers.get("dpop-nonce").and_then(|value| value.to_str().ok()).map(str::to_owned),
        shown: json!({
            "status": status.as_u16(),
            "reason": status.canonical_reason().unwrap_or_default(),
            "challenges": challenges,
            "headers": listed,
            "body": String::from_utf8_lossy(&body),
            "milliseconds": u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }),
    })
}

/// Describes whether service and verifier agree.
fn compared(verification: &Value, status: u16) -> &'static str {
    let is_refused = matches!(status, 400 | 401);
    match (verification["state"].as_str(), is_refused) {
        (Some("verified"), false) if status == 403 => {
            "They agree: the token is valid, but its authorities do not suffice for this route."
        }
        (Some("verified"), false) => "They agree: verifier and service accept the token.",
        (Some("refused"), true) => "They agree: verifier and service refuse the token.",
        (Some("verified"), true) => {
            "They differ: the verifier accepts the token, the service refuses it. Compare issuer, audience and keys."
        }
        (Some("refused"), false) => {
            "They differ: the verifier refuses the token, the service accepts it. Is the route guarded?"
        }
        _ => "Nothing to compare: the token was not verified here. Fill in the Check section.",
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::usage(refusal.0)
    }
}
