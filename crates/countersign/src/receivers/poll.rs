//! One request for security events (RFC 8936 §2), and its response.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::fetch::retry_after;
use crate::outbound::Outbound;
use crate::rt;

/// The most tokens that are asked for, and taken, at once.
const MAX_EVENTS: usize = 100;

/// The longest response that is read, in bytes.
const MAX_RESPONSE_BYTES: usize = 1024 * 1024;

/// The longest time for one request and its response.
const POLL_WITHIN: Duration = Duration::from_secs(10);

/// The outcomes that the next poll states: tokens that were taken, and errors of those that were refused.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    pub(super) taken: Vec<String>,
    pub(super) refused: BTreeMap<String, SetError>,
}

/// The error of a token (RFC 8936 §2.6).
#[derive(Debug, Serialize)]
pub(super) struct SetError {
    pub(super) err: &'static str,
    pub(super) description: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PollRequest<'o> {
    max_events: usize,
    return_immediately: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    ack: &'o [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    set_errs: &'o BTreeMap<String, SetError>,
}

/// The tokens of a response by their `jti`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PollResponse {
    sets: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) more_available: bool,
}

impl PollResponse {
    /// At most as many tokens as were asked for. The transmitter sends the others again.
    pub(super) fn into_tokens(self) -> impl Iterator<Item = (String, String)> {
        self.sets.into_iter().take(MAX_EVENTS)
    }
}

/// The reason why there is no usable response. Its text is safe to log.
#[derive(Debug)]
pub(super) struct NotPolled {
    pub(super) problem: String,
    pub(super) retry_after: Duration,
    /// True if the transmitter does not understand the request, perhaps because of the outcomes in it.
    pub(super) is_rejected: bool,
}

/// Asks for events, and tells the transmitter the outcomes of earlier ones.
pub(super) async fn poll(outbound: &Outbound, url: &str, outcomes: &Outcomes) -> Result<PollResponse, NotPolled> {
    let late = || Err(failed("no response within 10 s"));
    rt::within(POLL_WITHIN, ask(outbound, url, outcomes)).await.unwrap_or_else(late)
}

async fn ask(outbound: &Outbound, url: &str, outcomes: &Outcomes) -> Result<PollResponse, NotPolled> {
    let Outcomes { taken, refused } = outcomes;
    let body = PollRequest { max_events: MAX_EVENTS, return_immediately: true, ack: taken, set_errs: refused };
    let body = serde_json::to_string(&body).map_err(|_| failed("the request has no JSON form"))?;
    let json = HeaderValue::from_static("application/json");
    let request = outbound.client().post(url).header(CONTENT_TYPE, json.clone()).header(ACCEPT, json).body(body);
    let mut response = outbound.send(request).await.map_err(|error| failed(error.to_string()))?;
    if response.status() != StatusCode::OK {
        let hint = match response.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "; the transmitter does not take the token",
            _ => "",
        };
        let problem = format!("status {}{hint}", response.status().as_u16());
        let retry_after = retry_after(response.headers()).unwrap_or_default();
        return Err(NotPolled { problem, retry_after, is_rejected: response.status() == StatusCode::BAD_REQUEST });
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| failed("the connection broke"))? {
        if bytes.len() + chunk.len() > MAX_RESPONSE_BYTES {
            return Err(failed("the response is longer than 1 MiB"));
        }
        bytes.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&bytes).map_err(|_| failed("the response is not one of RFC 8936: it has no object sets"))
}

pub(super) fn failed(problem: impl Into<String>) -> NotPolled {
    NotPolled { problem: problem.into(), retry_after: Duration::ZERO, is_rejected: false }
}
