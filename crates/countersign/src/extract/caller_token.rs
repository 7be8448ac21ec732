//! The caller's token as a handler argument, for outbound calls on its behalf.

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::rejection::{Rejection, caller};
use crate::authenticate::CallerToken;
use crate::telemetry;

/// There only where the layer was told `.keep_caller_token()`; a service that forgot is told so with a 500.
impl<S: Sync> FromRequestParts<S> for CallerToken {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        caller(parts)?;
        parts.extensions.get::<CallerToken>().cloned().ok_or_else(|| {
            telemetry::missing_layer(parts.uri.path(), "add .keep_caller_token() to the AuthenticateLayer");
            Rejection::set_up(&parts.headers)
        })
    }
}
