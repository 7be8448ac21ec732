//! The service: asks the requirement, waits for nothing.

use std::task::{Context, Poll};

use bytes::Bytes;
use countersign_core::authz::{Decision, Requirement};
use http::{Request, Response};
use tower_service::Service;

use super::facts::path_parameters;
use super::future::ResponseFuture;
use crate::authenticate::Authenticated;
use crate::response::{Refusal, SetUpFault};
use crate::telemetry;

/// A service behind a [`RequireLayer`](super::RequireLayer).
#[derive(Clone, Debug)]
pub struct Require<S> {
    inner: S,
    requirement: Requirement,
}

impl<S> Require<S> {
    pub(super) fn new(inner: S, requirement: Requirement) -> Self {
        Require { inner, requirement }
    }

    /// `None` to let the request pass, else the answer.
    fn judge<B>(&self, request: &mut Request<B>) -> Option<Response<Bytes>> {
        let Some(Authenticated(mark)) = request.extensions().get::<Authenticated>().cloned() else {
            telemetry::missing_layer(request.uri().path(), MEND);
            return Some(SetUpFault.answer(request.headers()));
        };
        let answers = &mark.shared.answers;
        let Some(verified) = mark.verified else {
            return Some(answers.refuse(&Refusal::NoToken, request.headers()));
        };
        let parameters = if self.requirement.needs_path() { path_parameters(request) } else { Vec::new() };
        let path = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        match verified.check(&self.requirement, mark.shared.clock.now(), &path) {
            Decision::Allowed => None,
            Decision::Denied(denial) => {
                telemetry::denied(&self.requirement, &verified, mark.shared.clock.elapsed());
                Some(answers.refuse(&Refusal::Denied(denial), request.headers()))
            }
        }
    }
}

/// What to do where a guard met no authenticator.
const MEND: &str = "add .layer(AuthenticateLayer::new(verifier)) to the router, after the routes it must cover";

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Require<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: From<Bytes>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        match self.judge(&mut request) {
            None => ResponseFuture::inner(self.inner.call(request)),
            Some(answer) => ResponseFuture::answered(answer),
        }
    }
}
