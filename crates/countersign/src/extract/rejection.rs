//! What an extractor answers where it cannot extract.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use countersign_core::verify::Verified;
use http::request::Parts;

use crate::authenticate::{Authenticated, Standing};
use crate::response::{Refusal, SetUpFault};
use crate::telemetry;

/// The answer of an extractor that could not extract: 401, 403, or 500 where no layer authenticates.
#[derive(Debug)]
pub struct Rejection(Box<http::Response<Bytes>>);

impl Rejection {
    pub(super) fn refused(refusal: &Refusal, parts: &Parts) -> Self {
        match parts.extensions.get::<Authenticated>() {
            Some(Authenticated(mark)) => Rejection(Box::new(mark.shared.answers.refuse(refusal, &parts.headers))),
            None => Self::set_up(parts),
        }
    }

    pub(super) fn set_up(parts: &Parts) -> Self {
        Rejection(Box::new(SetUpFault.answer(&parts.headers)))
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> http::StatusCode {
        self.0.status()
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.0.map(Body::from)
    }
}

/// The verified caller; `None` for an anonymous one; 500 where no layer saw the request (S5.24).
pub(super) fn caller(parts: &Parts) -> Result<Option<Arc<Verified>>, Rejection> {
    match Authenticated::standing(&parts.extensions) {
        Standing::Caller(verified) => Ok(Some(Arc::clone(verified))),
        Standing::Anonymous => Ok(None),
        Standing::Unguarded => {
            const MEND: &str =
                "add .layer(AuthenticateLayer::new(verifier)) to the router, after the routes it must cover";
            telemetry::missing_layer(parts.uri.path(), MEND);
            Err(Rejection::set_up(parts))
        }
    }
}
