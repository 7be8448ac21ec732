//! The innermost service in the form that jwt-authorizer's layer takes.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::task::{Context, Poll};

use http::Request;
use tower_service::Service;

/// An answer as jwt-authorizer wants it: one that can be made from its error.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) is_refusal: bool,
}

impl From<jwt_authorizer::AuthError> for Answer {
    fn from(_: jwt_authorizer::AuthError) -> Self {
        Answer { is_refusal: true }
    }
}

/// [`Bare`](countersign_benches::services::Bare) with that answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BareAnswer;

impl Service<Request<()>> for BareAnswer {
    type Response = Answer;
    type Error = Infallible;
    type Future = Ready<Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        black_box(&request);
        ready(Ok(Answer { is_refusal: false }))
    }
}
