//! The responses of the page's API.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::exit::Failure;

/// The response to a request of the page.
pub(super) type Answer = Result<Json<Value>, Refusal>;

/// An invalid request, and how to fix it.
pub(super) struct Refusal(pub(super) String);

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
