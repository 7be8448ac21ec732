//! The expiry of the caller's token as a handler argument.

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::rejection::{Rejection, caller};
use crate::lifetime::TokenEnd;
use crate::response::Refusal;

/// Refuses anonymous callers; handlers that allow them use `Option<Claims>` and [`TokenEnd::from_extensions`].
impl<S: Sync> FromRequestParts<S> for TokenEnd {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        caller(parts)?;
        TokenEnd::from_extensions(&parts.extensions).ok_or_else(|| Rejection::refused(&Refusal::NoToken, None, parts))
    }
}
