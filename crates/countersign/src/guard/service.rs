//! The service. It never waits.

use std::task::{Context, Poll};

use bytes::Bytes;
use countersign_core::authz::{Denial, Requirement};
use http::{Request, Response};
use tower_service::Service;

use super::evaluate::{evaluate, warn_of_missing_parameters};
use super::future::RequireFuture;
use super::request::{HttpFacts, path_parameters};
use crate::authenticate::{Authenticated, LayerContext};
use crate::response::{AnswerForm, Refusal, SetupFault};
use crate::telemetry;

/// A service behind a [`RequireLayer`](super::RequireLayer); [`require`](super::require) has an example.
#[derive(Clone, Debug)]
pub struct Require<S> {
    inner: S,
    requirement: Requirement,
    needs_path: bool,
}

impl<S> Require<S> {
    pub(crate) fn new(inner: S, requirement: Requirement) -> Self {
        let needs_path = requirement.path_parameters().next().is_some();
        Require { inner, requirement, needs_path }
    }

    /// Evaluates the requirement; `None` lets the request through.
    pub(crate) fn refusal<B>(&self, request: &mut Request<B>) -> Option<Response<Bytes>> {
        let parameters = if self.needs_path { path_parameters(request.extensions_mut()) } else { Vec::new() };
        let request = &*request;
        let Some(Authenticated { verified, context, form }) = request.extensions().get::<Authenticated>() else {
            telemetry::missing_layer(request.uri().path(), telemetry::ADD_THE_LAYER);
            return Some(SetupFault.response(AnswerForm::from_extensions(request.extensions())));
        };
        let LayerContext { clock, samples, responder, .. } = &**context;
        let Some(verified) = verified else {
            if !self.requirement.is_shadow() {
                let refusal = match self.requirement.may_hide() {
                    true => Refusal::Denied(Denial::NotFound),
                    false => Refusal::NoToken,
                };
                return Some(responder.refuse(&refusal, request.headers(), *form));
            }
            self.requirement.count_unmet_in_shadow();
            telemetry::denied_in_shadow(&self.requirement, None, samples, clock.elapsed());
            return None;
        };
        let facts = HttpFacts { parameters, headers: request.headers(), uri: request.uri() };
        let parameters = self.needs_path.then(|| self.requirement.path_parameters());
        if let Some(parameter) = parameters.and_then(|names| facts.repeated(names)) {
            telemetry::repeated_parameter(request.uri().path(), parameter, samples, clock.elapsed());
            return Some(SetupFault.response(*form));
        }
        let refusal = evaluate(&self.requirement, verified, context, &facts).err()?;
        warn_of_missing_parameters(&self.requirement, &facts, request.uri().path(), context);
        Some(responder.refuse(&refusal, request.headers(), *form))
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Require<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: From<Bytes>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = RequireFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        match self.refusal(&mut request) {
            None => RequireFuture::inner(self.inner.call(request)),
            Some(response) => RequireFuture::response(response),
        }
    }
}
