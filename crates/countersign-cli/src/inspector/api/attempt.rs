//! A token tried on a local service: what it answers, beside what the verifier says.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};

use super::judge::{Trust, judge};
use super::{Answer, Refusal};
use crate::exit::Failure;
use crate::inspector::bench::Bench;
use crate::{input, output};

/// How much of an answer's body is shown, in bytes.
const MAX_BODY_BYTES: usize = 4096;

#[derive(Deserialize)]
pub(super) struct Attempt {
    url: String,
    method: String,
    token: String,
    #[serde(default)]
    trust: Trust,
}

/// Sends the token, and judges it by the page's own question.
pub(super) async fn answer(State(bench): State<Arc<Bench>>, Json(attempt): Json<Attempt>) -> Answer {
    let url = bench.local(&attempt.url)?;
    let token = input::unwrapped(&attempt.token);
    let said = send(&bench, &url, &attempt.method, Some(&token)).await?;
    let judgement = judge(Arc::clone(&bench), token, attempt.trust).await?;
    let compared = compared(&judgement, said.status);
    Ok(Json(json!({ "answer": said.shown, "status": said.status, "judgement": judgement, "compared": compared })))
}

/// What a service answered.
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) shown: Value,
}

/// One request with `token` as its bearer token.
pub(super) async fn send(bench: &Bench, url: &Url, method: &str, token: Option<&str>) -> Result<Said, Failure> {
    let method = Method::from_bytes(method.trim().to_ascii_uppercase().as_bytes())
        .map_err(|_| Failure::question("not an HTTP method"))?;
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| Failure::question("the token has characters that no header can carry"))?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    let started = Instant::now();
    let sent = bench.client.request(method, url.clone()).headers(headers).send().await;
    let mut response = sent.map_err(|error| {
        let why = if error.is_connect() {
            "nothing listens there"
        } else if error.is_timeout() {
            "no answer within 10 s"
        } else {
            "the connection broke"
        };
        Failure::question(format!("{}: {why}", output::safe(url.as_str())))
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
    Ok(Said {
        status: status.as_u16(),
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

/// Whether service and verifier say the same, in words.
fn compared(judgement: &Value, status: u16) -> &'static str {
    let is_refused = matches!(status, 400 | 401);
    match (judgement["state"].as_str(), is_refused) {
        (Some("verified"), false) if status == 403 => {
            "The same: the token is good, and what it allows is not enough for this route."
        }
        (Some("verified"), false) => "The same: the verifier takes the token, and so does the service.",
        (Some("refused"), true) => "The same: the verifier refuses the token, and so does the service.",
        (Some("verified"), true) => {
            "They differ: the verifier takes the token, the service refuses it. Compare issuer, audience and keys."
        }
        (Some("refused"), false) => {
            "They differ: the verifier refuses the token, the service let it pass. Is the route guarded?"
        }
        _ => "Nothing to compare: the token was not judged here. Fill in the part Check.",
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::question(refusal.0)
    }
}
