//! Answers of extractors to requests without what they extract.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use countersign_core::authz::{Denial, Requirement};
use countersign_core::integration::NoRequest;
use countersign_core::verify::Verified;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};

use crate::authenticate::{Authenticated, LayerContext};
use crate::guard::{Denied, changed_parameter, evaluate, warn_of_ignored_token};
use crate::response::{AnswerForm, Refusal, SetupFault};
use crate::telemetry;

/// The answer of a failed extractor or of [`Claims::require`](super::Claims::require): 401, 403, 404, or 500 without an
/// authentication layer.
///
/// [`Claims::require`](super::Claims::require) has an example.
#[derive(Debug)]
pub struct Rejection(Box<http::Response<Bytes>>);

impl Rejection {
    pub(super) fn refused(refusal: &Refusal, parts: &Parts) -> Self {
        match parts.extensions.get::<Authenticated>() {
            Some(Authenticated { context, form, .. }) => Self::new(context, refusal, &parts.headers, *form),
            None => Self::setup_fault(AnswerForm::from_extensions(&parts.extensions)),
        }
    }

    /// The answer of the layer that verified the caller.
    pub(super) fn new(context: &LayerContext, refusal: &Refusal, request: &HeaderMap, form: AnswerForm) -> Self {
        Rejection(Box::new(context.responder.refuse(refusal, request, form)))
    }

    /// The answer to a caller that does not meet a requirement.
    pub(super) fn denied(context: &LayerContext, denied: Denied, request: &HeaderMap, form: AnswerForm) -> Self {
        let mut rejection = Self::new(context, &denied.refusal, request, form);
        denied.explain_in(&mut rejection.0);
        rejection
    }

    pub(super) fn setup_fault(form: AnswerForm) -> Self {
        Rejection(Box::new(SetupFault.response(form)))
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

/// A verified caller, with the context of the layer that verified it and the form of answers to its request.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(super) verified: Arc<Verified>,
    pub(super) context: Arc<LayerContext>,
    pub(super) form: AnswerForm,
    /// The headers of the request, as far as answers to it may depend on them.
    headers: AnswerHeaders,
}

/// The headers of a request that its answers need, for a handler that no longer has the request.
#[derive(Clone)]
enum AnswerHeaders {
    Origin(Option<HeaderValue>),
    /// For the application's own answers.
    All(Arc<HeaderMap>),
}

impl AnswerHeaders {
    fn of(headers: &HeaderMap, context: &LayerContext) -> Self {
        match context.responder.reads_all_headers() {
            true => AnswerHeaders::All(Arc::new(headers.clone())),
            false => AnswerHeaders::Origin(headers.get(header::ORIGIN).cloned()),
        }
    }

    fn read<R>(&self, read: impl FnOnce(&HeaderMap) -> R) -> R {
        match self {
            AnswerHeaders::All(headers) => read(headers),
            AnswerHeaders::Origin(origin) => {
                read(&origin.iter().map(|origin| (header::ORIGIN, origin.clone())).collect())
            }
        }
    }
}

impl Caller {
    /// Evaluates `requirement` without the request, of which only the answer uses headers.
    pub(crate) fn require(&self, requirement: &Requirement) -> Result<(), Rejection> {
        let Caller { verified, context, form, headers } = self;
        if requirement.needs_request() {
            telemetry::request_not_available(requirement, &context.samples, context.clock.elapsed());
            return Err(Rejection::setup_fault(*form));
        }
        evaluate(requirement, verified, context, &NoRequest)
            .map_err(|denied| headers.read(|headers| Rejection::denied(context, denied, headers, *form)))
    }
}

impl Caller {
    /// The answer to a caller whom a handler's own rule denies.
    pub(super) fn denied(&self, denial: Denial) -> Rejection {
        let LayerContext { clock, samples, subjects, .. } = &*self.context;
        telemetry::denied_by_handler(&denial, &self.verified, subjects.as_ref(), samples, clock.elapsed());
        let answer = |headers: &HeaderMap| Rejection::new(&self.context, &Refusal::Denied(denial), headers, self.form);
        self.headers.read(answer)
    }
}

/// The verified caller; `None` for an anonymous one; 500 if the request passed no layer, or if the handler reads another
/// path parameter than a guard before it.
pub(crate) fn caller_or_anonymous(parts: &mut Parts) -> Result<Option<Caller>, Rejection> {
    let Some(authenticated) = parts.extensions.get::<Authenticated>() else {
        telemetry::missing_layer(parts.uri.path(), telemetry::ADD_THE_LAYER);
        return Err(Rejection::setup_fault(AnswerForm::from_extensions(&parts.extensions)));
    };
    let Authenticated { verified, context, form, compared, .. } = authenticated;
    let caller = verified.clone().map(|verified| {
        let headers = AnswerHeaders::of(&parts.headers, context);
        Caller { verified, context: Arc::clone(context), form: *form, headers }
    });
    if compared.is_empty() {
        return Ok(caller);
    }
    let (context, form) = (Arc::clone(context), *form);
    match changed_parameter(&mut parts.extensions) {
        None => Ok(caller),
        Some(parameter) => {
            let LayerContext { clock, samples, .. } = &*context;
            telemetry::repeated_parameter(parts.uri.path(), &parameter, samples, clock.elapsed());
            Err(Rejection::setup_fault(form))
        }
    }
}

/// The verified caller; 401 for an anonymous one.
pub(crate) fn caller(parts: &mut Parts) -> Result<Caller, Rejection> {
    caller_or_anonymous(parts)?.ok_or_else(|| {
        if let Some(Authenticated { context, .. }) = parts.extensions.get() {
            warn_of_ignored_token(&parts.headers, &parts.uri, context);
        }
        Rejection::refused(&Refusal::NoToken, parts)
    })
}

/// The verified caller of what `requirement` protects; for an anonymous one 401, or 404 if it may be hidden.
pub(crate) fn caller_for(requirement: &Requirement, parts: &mut Parts) -> Result<Caller, Rejection> {
    if !requirement.may_hide() {
        return caller(parts);
    }
    caller_or_anonymous(parts)?.ok_or_else(|| Rejection::refused(&Refusal::Denied(Denial::NotFound), parts))
}
