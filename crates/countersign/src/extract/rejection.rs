//! Answers of extractors to requests without what they extract.

use std::fmt::Display;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use countersign_core::authz::{Denial, Requirement};
use countersign_core::integration::NoRequest;
use countersign_core::verify::{TransactionToken, Verified};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};

use crate::audit::{Trail, Weight};
use crate::authenticate::{Authenticated, LayerContext};
use crate::guard::{Denied, changed_parameter, evaluate, lacks_transactions, warn_of_ignored_token};
use crate::response::{AnswerForm, Refusal, SetupFault};
use crate::telemetry;

/// The answer of a failed extractor or of [`Claims::require`](super::Claims::require): 401, 403, 404, or 500 without an
/// authentication layer.
///
/// [`Claims::require`](super::Claims::require) has an example.
#[derive(Debug)]
pub struct Rejection(Box<http::Response<Bytes>>);

impl Rejection {
    /// The answer to a request that lacks what `requirement` asks for. The trail has it too.
    pub(super) fn refused(refusal: &Refusal, requirement: Option<&dyn Display>, parts: &Parts) -> Self {
        if let Some(trail) = trail(parts) {
            trail.refused(refusal, requirement, None, Weight::Provisional);
        }
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
    pub(super) transaction: Option<TransactionToken>,
    pub(super) context: Arc<LayerContext>,
    pub(super) form: AnswerForm,
    request: Remembered,
}

/// The parts of a request that its answers and its audit event need, for a handler that no longer has the request.
#[derive(Clone)]
enum Remembered {
    Origin(Option<HeaderValue>),
    /// With an audit log, and for the application's own answers.
    More(Arc<More>),
}

struct More {
    headers: HeaderMap,
    trail: Option<Trail>,
}

impl Remembered {
    #[inline]
    fn of(parts: &Parts, context: &LayerContext) -> Self {
        match context.copies_requests {
            true => Self::more(parts, context),
            false => Remembered::Origin(parts.headers.get(header::ORIGIN).cloned()),
        }
    }

    #[cold]
    fn more(parts: &Parts, context: &LayerContext) -> Self {
        let headers = match context.responder.reads_all_headers() {
            true => parts.headers.clone(),
            false => origin_only(parts.headers.get(header::ORIGIN)),
        };
        Remembered::More(Arc::new(More { headers, trail: context.trail(&parts.extensions).cloned() }))
    }

    fn read<R>(&self, read: impl FnOnce(&HeaderMap) -> R) -> R {
        match self {
            Remembered::More(more) => read(&more.headers),
            Remembered::Origin(origin) => read(&origin_only(origin.as_ref())),
        }
    }
}

fn origin_only(origin: Option<&HeaderValue>) -> HeaderMap {
    origin.into_iter().map(|origin| (header::ORIGIN, origin.clone())).collect()
}

impl Caller {
    /// The caller, and the transaction that the request belongs to.
    pub(super) fn identity(&self) -> (&Verified, Option<&TransactionToken>) {
        (&self.verified, self.transaction.as_ref())
    }

    /// Evaluates `requirement` without the request, of which only the answer uses headers.
    pub(crate) fn require(&self, requirement: &Requirement) -> Result<(), Rejection> {
        let Caller { context, form, request, .. } = self;
        let trail = self.trail();
        if lacks_transactions(requirement, context) {
            if let Some(trail) = trail {
                trail.failed(Some(requirement), Weight::Provisional);
            }
            return Err(Rejection::setup_fault(*form));
        }
        if requirement.needs_request() {
            telemetry::request_not_available(requirement, &context.samples, context.clock.elapsed());
            if let Some(trail) = trail {
                trail.failed(Some(requirement), Weight::Provisional);
            }
            return Err(Rejection::setup_fault(*form));
        }
        evaluate(requirement, self.identity(), context, &NoRequest, trail, Weight::Provisional)
            .map_err(|denied| request.read(|headers| Rejection::denied(context, denied, headers, *form)))
    }
}

impl Caller {
    /// The answer to a caller whom a handler's own rule denies.
    pub(super) fn denied(&self, denial: Denial) -> Rejection {
        let LayerContext { clock, samples, subjects, .. } = &*self.context;
        telemetry::denied_by_handler(&denial, self.identity(), subjects.as_ref(), samples, clock.elapsed());
        let refusal = Refusal::Denied(denial);
        if let Some(trail) = self.trail() {
            trail.refused(&refusal, Some(&"a rule of the handler"), None, Weight::Provisional);
        }
        let answer = |headers: &HeaderMap| Rejection::new(&self.context, &refusal, headers, self.form);
        self.request.read(answer)
    }

    /// The trail of the request, if its layer has an audit log.
    pub(super) fn trail(&self) -> Option<&Trail> {
        match &self.request {
            Remembered::More(more) => more.trail.as_ref(),
            Remembered::Origin(_) => None,
        }
    }
}

/// The trail of a request whose layer has an audit log.
fn trail(parts: &Parts) -> Option<&Trail> {
    parts.extensions.get::<Authenticated>()?.context.trail(&parts.extensions)
}

/// The verified caller; `None` for an anonymous one; 500 if the request passed no layer, or if the handler reads another
/// path parameter than a guard before it.
pub(crate) fn caller_or_anonymous(parts: &mut Parts) -> Result<Option<Caller>, Rejection> {
    let Some(authenticated) = parts.extensions.get::<Authenticated>() else {
        telemetry::missing_layer(parts.uri.path(), telemetry::ADD_THE_LAYER);
        return Err(Rejection::setup_fault(AnswerForm::from_extensions(&parts.extensions)));
    };
    let Authenticated { verified, transaction, context, form, compared, .. } = authenticated;
    let caller = verified.clone().map(|verified| {
        let request = Remembered::of(parts, context);
        Caller { verified, transaction: transaction.clone(), context: Arc::clone(context), form: *form, request }
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
            if let Some(trail) = trail(parts) {
                trail.failed(None, Weight::Provisional);
            }
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
        Rejection::refused(&Refusal::NoToken, None, parts)
    })
}

/// The verified caller of what `requirement` protects; for an anonymous one 401, or 404 if it may be hidden.
pub(crate) fn caller_for(requirement: &Requirement, parts: &mut Parts) -> Result<Caller, Rejection> {
    if !requirement.may_hide() {
        return caller(parts);
    }
    caller_or_anonymous(parts)?
        .ok_or_else(|| Rejection::refused(&Refusal::Denied(Denial::NotFound), Some(requirement), parts))
}
