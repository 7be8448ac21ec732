//! The caller's token as a handler argument, for outbound calls on the caller's behalf.

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::rejection::{Rejection, caller};
use crate::authenticate::CallerToken;
use crate::response::AnswerForm;
use crate::telemetry;

/// Needs a layer built with `.keep_caller_token()`; without it the answer is 500 and the log states the fix.
impl<S: Sync> FromRequestParts<S> for CallerToken {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        caller(parts)?;
        parts.extensions.get::<CallerToken>().cloned().ok_or_else(|| {
            telemetry::missing_layer(parts.uri.path(), "add .keep_caller_token() to AuthenticateLayer::builder");
            Rejection::setup_fault(AnswerForm::from_extensions(&parts.extensions))
        })
    }
}
