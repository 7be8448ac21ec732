//! The page's API, one file per endpoint. Every response is JSON; an invalid request is a 400 with `error`.

mod attack;
mod compare;
mod copy;
mod helper;
mod mint;
mod read;
mod try_service;
mod verify;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use countersign::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use super::state::Inspector;
use crate::exit::Failure;

/// The response to a request of the page.
type Answer = Result<Json<Value>, Refusal>;

/// An invalid request, and how to fix it.
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

pub(super) fn router() -> Router<Arc<Inspector>> {
    Router::new()
        .route("/read", post(read::answer))
        .route("/write", post(read::write))
        .route("/verify", post(verify::answer))
        .route("/compare", post(compare::answer))
        .route("/mint", post(mint::answer))
        .route("/copy", post(copy::answer))
        .route("/try", post(try_service::answer))
        .route("/attack", post(attack::answer))
        .route("/helper", post(helper::answer))
}

/// Seconds since 1970.
fn now() -> i64 {
    i64::try_from(SystemClock.now().as_secs()).unwrap_or(i64::MAX)
}
