//! The response future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::addition::Addition;
use super::admission::{Admission, Wait};
use super::authenticator::Authenticator;
use super::preflight::PreflightFuture;
use crate::response::{Refusal, ResponseBody};

pin_project! {
    /// The future of [`Authenticate`](super::Authenticate), which has an example. It allocates only if the request waits.
    pub struct AuthenticateFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        #[pin]
        state: State<S, S::Future, ReqBody>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F, ReqBody> {
        Response { response: Option<Response<Bytes>> },
        Waiting { resumption: Wait, suspended: Option<Box<Suspended<S, ReqBody>>> },
        Preflight { answer: PreflightFuture },
        Inner { #[pin] future: F, addition: Addition },
    }
}

/// A waiting request, with the service that was polled ready for it.
pub(super) struct Suspended<S, ReqBody> {
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) ready: S,
    pub(super) request: Request<ReqBody>,
}

impl<S, ReqBody> AuthenticateFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    pub(super) fn inner(future: S::Future, addition: Addition) -> Self {
        AuthenticateFuture { state: State::Inner { future, addition } }
    }

    pub(super) fn response(response: Response<Bytes>) -> Self {
        AuthenticateFuture { state: State::Response { response: Some(response) } }
    }

    pub(super) fn suspended(admission: Admission, suspended: Suspended<S, ReqBody>) -> Self {
        AuthenticateFuture { state: suspended.proceed(Ok(admission)) }
    }
}

impl<S, ReqBody, ResBody> Future for AuthenticateFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Inner { future, addition } => {
                    let mut result = ready!(future.poll(context));
                    if let Ok(response) = &mut result {
                        addition.add_to(response);
                    }
                    return Poll::Ready(result.map(|response| response.map(ResponseBody::new)));
                }
                StateProjection::Response { response } => match response.take() {
                    Some(response) => return Poll::Ready(Ok(response.map(ResponseBody::from))),
                    None => return Poll::Pending, // polled after completion, which only a faulty caller does
                },
                StateProjection::Preflight { answer } => {
                    State::Response { response: Some(ready!(answer.as_mut().poll(context))) }
                }
                StateProjection::Waiting { resumption, suspended } => {
                    let resumption = ready!(resumption.as_mut().poll(context));
                    let Some(mut suspended) = suspended.take().map(|boxed| *boxed) else { return Poll::Pending };
                    let Suspended { authenticator, request, .. } = &mut suspended;
                    let admission = authenticator.resume(request, resumption);
                    suspended.proceed(admission)
                }
            };
            state.set(next);
        }
    }
}

impl<S, ReqBody> Suspended<S, ReqBody> {
    fn proceed(mut self, admission: Result<Admission, Refusal>) -> State<S, S::Future, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        match admission {
            Ok(Admission::Forward(caller)) => {
                self.request.extensions_mut().insert(caller);
                let addition = self.authenticator.addition(&mut self.request);
                State::Inner { future: self.ready.call(self.request), addition }
            }
            Ok(Admission::Respond(response)) => State::Response { response: Some(response) },
            Ok(Admission::AnswerPreflight(answer)) => State::Preflight { answer },
            Ok(Admission::Await(resumption)) => State::Waiting { resumption, suspended: Some(Box::new(self)) },
            Err(refusal) => match self.authenticator.refuse(refusal, &mut self.request) {
                Some(response) => State::Response { response: Some(response) },
                None => {
                    let addition = self.authenticator.addition_of_refused(&self.request);
                    State::Inner { future: self.ready.call(self.request), addition }
                }
            },
        }
    }
}

impl<S, ReqBody> fmt::Debug for AuthenticateFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticateFuture").finish_non_exhaustive()
    }
}
