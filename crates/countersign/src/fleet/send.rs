//! One message to a plane.

use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, StatusCode};

use super::form::ReportAnswer;
use crate::fetch::{self, ConnectionSettings, parse_url, retry_after};
use crate::outbound::Outbound;
use crate::rt;

/// The longest time for one message and its answer.
const SEND_WITHIN: Duration = Duration::from_secs(10);

/// The longest answer of a plane, in bytes.
const MAX_ANSWER_BYTES: usize = 4 * 1024;

/// The way to a plane.
pub(super) enum Way {
    /// With the token that the plane's origin is bound to.
    Bound(Outbound),
    /// Without a token, to a plane on this machine.
    Loopback,
}

/// The reason why a message was not taken. Its text is safe to log.
pub(super) struct NotSent {
    pub(super) problem: String,
    pub(super) retry_after: Option<Duration>,
}

/// Posts a report, within bounds of time and size.
pub(super) async fn send(way: &Way, url: &str, body: String) -> Result<ReportAnswer, NotSent> {
    let answered = match way {
        Way::Bound(outbound) => rt::within(SEND_WITHIN, send_bound(outbound, url, body)).await,
        Way::Loopback => rt::within(SEND_WITHIN, send_here(url, body)).await,
    };
    let too_slow = || NotSent { problem: "no response in time".to_owned(), retry_after: None };
    let (status, headers, body) = answered.unwrap_or_else(|| Err(too_slow()))?;
    match status {
        StatusCode::OK => serde_json::from_slice(&body)
            .map_err(|_| NotSent { problem: "the response is not that of a plane".to_owned(), retry_after: None }),
        status => {
            let hint = match status {
                StatusCode::UNAUTHORIZED => "; the plane does not take the token",
                StatusCode::FORBIDDEN => "; the token needs the scope fleet:report, and the service the client's name",
                _ => "",
            };
            let problem = format!("status {}{hint}", status.as_u16());
            Err(NotSent { problem, retry_after: retry_after(&headers) })
        }
    }
}

type Answered = Result<(StatusCode, HeaderMap, Vec<u8>), NotSent>;

async fn send_bound(outbound: &Outbound, url: &str, body: String) -> Answered {
    let request = outbound.client().post(url).header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let sent = outbound.send(request.body(body)).await;
    let mut response = sent.map_err(|error| NotSent { problem: error.to_string(), retry_after: None })?;
    let mut body = Vec::new();
    let broken = |problem: &str| NotSent { problem: problem.to_owned(), retry_after: None };
    while let Some(chunk) = response.chunk().await.map_err(|_| broken("the connection broke"))? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(broken("the response is larger than allowed"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((response.status(), std::mem::take(response.headers_mut()), body))
}

async fn send_here(url: &str, body: String) -> Answered {
    let failed = |problem: String| NotSent { problem, retry_after: None };
    let url = parse_url(url).ok_or_else(|| failed("not a URL".to_owned()))?;
    let sent = fetch::post_json(&ConnectionSettings::default(), url, body, MAX_ANSWER_BYTES).await;
    let response = sent.map_err(|failure| failed(failure.to_string()))?;
    Ok((response.status, response.headers, response.body.into()))
}
