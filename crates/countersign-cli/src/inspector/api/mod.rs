//! What the page asks, a file each. Every answer is JSON; a question that makes no sense is a 400 with `error`.

mod attack;
mod attempt;
mod compare;
mod copies;
mod helper;
mod judge;
mod mint;
mod read;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use countersign::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use super::bench::Bench;
use crate::exit::Failure;

/// The answer to a question of the page.
type Answer = Result<Json<Value>, Refusal>;

/// A question that makes no sense, and what to mend.
struct Refusal(String);

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Refusal(failure.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({ "error": self.0 }))).into_response()
    }
}

pub(super) fn router() -> Router<Arc<Bench>> {
    Router::new()
        .route("/read", post(read::answer))
        .route("/write", post(read::write))
        .route("/judge", post(judge::answer))
        .route("/compare", post(compare::answer))
        .route("/mint", post(mint::answer))
        .route("/copy", post(copies::answer))
        .route("/try", post(attempt::answer))
        .route("/attack", post(attack::answer))
        .route("/helper", post(helper::answer))
}

/// Seconds since 1970.
fn now() -> i64 {
    i64::try_from(SystemClock.now().as_secs()).unwrap_or(i64::MAX)
}
