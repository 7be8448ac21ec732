//! The checks of a proof (DPoP), by the same code as `countersign verify --proof`.

use axum::Json;
use countersign::clock::{Clock, SystemClock};
use countersign::verify::Verdict;
use serde::Deserialize;
use serde_json::{Value, json};

use super::response::Answer;
use super::verify::row;
use crate::exit::Failure;
use crate::input;
use crate::verification::{Presented, remedy};

#[derive(Deserialize)]
pub(super) struct Request {
    token: String,
    proof: String,
    method: String,
    url: String,
    #[serde(default)]
    nonce: String,
    /// The time of the request in Unix seconds; empty for now.
    #[serde(default)]
    now: String,
}

/// Explains the proof. The token itself is the verdict's business.
pub(super) async fn answer(Json(request): Json<Request>) -> Answer {
    let now = match request.now.trim() {
        "" => SystemClock.now().as_secs(),
        text => text.parse().map_err(|_| Failure::usage("the time is not a whole number of seconds"))?,
    };
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let token = input::unwrapped(&request.token);
    let presented = Presented {
        proof: &request.proof,
        token: &token,
        method: request.method.trim(),
        url: request.url.trim(),
        nonce: Some(request.nonce.trim()).filter(|nonce| !nonce.is_empty()),
    };
    let (report, _) = presented.explain(now)?;
    let message = match &report.verdict {
        Verdict::Rejected { message, .. } => message.as_str(),
        _ => "every check passed; only a service knows whether the proof was used before",
    };
    let code = report.verdict.code();
    Ok(Json(json!({
        "state": if report.is_accepted() { "good" } else { "bad" },
        "message": message,
        "code": code,
        "remedy": code.and_then(remedy),
        "checks": report.checks.iter().map(|check| row(check, now)).collect::<Vec<Value>>(),
    })))
}
