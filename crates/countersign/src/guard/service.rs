//! The service: asks the requirement, waits for nothing.

use std::task::{Context, Poll};

use bytes::Bytes;
use countersign_core::authz::Requirement;
use http::{Request, Response};
use tower_service::Service;

use super::facts::{FactsOf, path_parameters};
use super::future::RequireFuture;
use super::judge::{judge, warn_of_missing_parameters};
use crate::authenticate::{Authenticated, Shared};
use crate::response::{Refusal, SetUpFault};
use crate::telemetry;

/// A service behind a [`RequireLayer`](super::RequireLayer).
#[derive(Clone, Debug)]
pub struct Require<S> {
    inner: S,
    requirement: Requirement,
    needs_path: bool,
}

impl<S> Require<S> {
    pub(super) fn new(inner: S, requirement: Requirement) -> Self {
        let needs_path = requirement.path_parameters().next().is_some();
        Require { inner, requirement, needs_path }
    }

    /// `None` to let the request pass, else the answer.
    fn judge<B>(&self, request: &mut Request<B>) -> Option<Response<Bytes>> {
        let parameters = if self.needs_path { path_parameters(request.extensions_mut()) } else { Vec::new() };
        let request = &*request;
        let Some(Authenticated(mark)) = request.extensions().get::<Authenticated>() else {
            telemetry::missing_layer(request.uri().path(), telemetry::ADD_THE_LAYER);
            return Some(SetUpFault.answer(request.headers()));
        };
        let Some(verified) = &mark.verified else {
            if !self.requirement.is_shadow() {
                return Some(mark.shared.answers.refuse(&Refusal::NoToken, request.headers()));
            }
            self.requirement.count_unmet_in_shadow();
            let Shared { clock, samples, .. } = &*mark.shared;
            telemetry::denied_in_shadow(&self.requirement, None, samples, clock.elapsed());
            return None;
        };
        let facts = FactsOf { parameters, headers: request.headers(), uri: request.uri() };
        let refusal = judge(&self.requirement, verified, &mark.shared, &facts).err()?;
        warn_of_missing_parameters(&self.requirement, &facts, request.uri().path(), &mark.shared);
        Some(mark.shared.answers.refuse(&refusal, request.headers()))
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
        match self.judge(&mut request) {
            None => RequireFuture::inner(self.inner.call(request)),
            Some(answer) => RequireFuture::answered(answer),
        }
    }
}
