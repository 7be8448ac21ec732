//! What an extractor answers where it cannot extract.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use countersign_core::authz::{NoRequest, Requirement};
use countersign_core::verify::Verified;
use http::HeaderMap;
use http::request::Parts;

use crate::authenticate::{Authenticated, Shared};
use crate::guard::judge;
use crate::response::{Refusal, SetUpFault};
use crate::telemetry;

/// The answer of an extractor that could not extract, or of [`Claims::require`](super::Claims::require): 401, 403, 404, or
/// 500 where no layer authenticates.
#[derive(Debug)]
pub struct Rejection(Box<http::Response<Bytes>>);

impl Rejection {
    pub(super) fn refused(refusal: &Refusal, parts: &Parts) -> Self {
        match parts.extensions.get::<Authenticated>() {
            Some(Authenticated(mark)) => Self::by(&mark.shared, refusal, &parts.headers),
            None => Self::set_up(&parts.headers),
        }
    }

    /// Answers as the layer would that has verified the caller.
    pub(super) fn by(shared: &Shared, refusal: &Refusal, request: &HeaderMap) -> Self {
        Rejection(Box::new(shared.answers.refuse(refusal, request)))
    }

    pub(super) fn set_up(request: &HeaderMap) -> Self {
        Rejection(Box::new(SetUpFault.answer(request)))
    }

    #[cfg(feature = "grpc")]
    pub(crate) fn headers(&self) -> &HeaderMap {
        self.0.headers()
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

/// A verified caller, and the layer that verified it.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(super) verified: Arc<Verified>,
    pub(super) shared: Arc<Shared>,
}

impl Caller {
    /// Judges `requirement` where nothing of the request is at hand; `headers` say in which form an answer is wanted.
    pub(crate) fn require(&self, requirement: &Requirement, headers: &HeaderMap) -> Result<(), Rejection> {
        let Caller { verified, shared } = self;
        if requirement.needs_request() {
            telemetry::request_not_at_hand(requirement);
            return Err(Rejection::set_up(headers));
        }
        judge(requirement, verified, shared, &NoRequest).map_err(|refusal| Rejection::by(shared, &refusal, headers))
    }
}

/// The verified caller; `None` for an anonymous one; 500 where no layer saw the request (S5.24).
pub(crate) fn caller_or_anonymous(parts: &Parts) -> Result<Option<Caller>, Rejection> {
    let Some(Authenticated(mark)) = parts.extensions.get::<Authenticated>() else {
        telemetry::missing_layer(parts.uri.path(), telemetry::ADD_THE_LAYER);
        return Err(Rejection::set_up(&parts.headers));
    };
    Ok(mark.verified.clone().map(|verified| Caller { verified, shared: Arc::clone(&mark.shared) }))
}

/// The verified caller; 401 for an anonymous one.
pub(crate) fn caller(parts: &Parts) -> Result<Caller, Rejection> {
    caller_or_anonymous(parts)?.ok_or_else(|| Rejection::refused(&Refusal::NoToken, parts))
}
