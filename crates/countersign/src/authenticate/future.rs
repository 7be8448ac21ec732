//! The response: answered by us, from the inner service, or after keys were fetched.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use countersign_core::key::RefreshOutcome;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::layer::AuthenticateLayer;
use super::service::{Admission, Caller};
use crate::response::Refusal;
use crate::revocation::RevocationFuture;

pin_project! {
    /// The future of [`Authenticate`](super::Authenticate). Boxes nothing where keys and token are at hand.
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
        Answered { answer: Option<Response<Bytes>> },
        Verifying {
            refresh: Pin<Box<dyn Future<Output = RefreshOutcome> + Send>>,
            pending: Option<Box<(Pending<S, ReqBody>, String)>>,
        },
        Asking {
            verdict: RevocationFuture,
            pending: Option<Box<(Pending<S, ReqBody>, Caller)>>,
        },
        Inner { #[pin] future: F },
    }
}

/// A request that waits, with all that is needed to go on.
pub(super) struct Pending<S, ReqBody> {
    pub(super) layer: Arc<AuthenticateLayer>,
    pub(super) ready: S,
    pub(super) request: Request<ReqBody>,
}

impl<S, ReqBody> AuthenticateFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    pub(super) fn inner(future: S::Future) -> Self {
        AuthenticateFuture { state: State::Inner { future } }
    }

    pub(super) fn answered(answer: Response<Bytes>) -> Self {
        AuthenticateFuture { state: State::Answered { answer: Some(answer) } }
    }

    pub(super) fn waiting(admission: Admission, pending: Pending<S, ReqBody>) -> Self {
        AuthenticateFuture { state: pending.proceed(Ok(admission)) }
    }
}

impl<S, ReqBody, ResBody> Future for AuthenticateFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: From<Bytes>,
{
    type Output = Result<Response<ResBody>, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Inner { future } => return future.poll(context),
                StateProjection::Answered { answer } => match answer.take() {
                    Some(answer) => return Poll::Ready(Ok(answer.map(ResBody::from))),
                    None => return Poll::Pending, // polled again after it was ready: a caller's fault
                },
                StateProjection::Verifying { refresh, pending } => {
                    let looked = ready!(refresh.as_mut().poll(context));
                    let Some((mut pending, token)) = pending.take().map(|boxed| *boxed) else { return Poll::Pending };
                    let result = pending.layer.verifier.verify_after_refresh(&token, &looked);
                    let admission = pending.layer.conclude(&mut pending.request, result, Some(token));
                    pending.proceed(admission)
                }
                StateProjection::Asking { verdict, pending } => {
                    let verdict = ready!(verdict.as_mut().poll(context));
                    let Some((mut pending, caller)) = pending.take().map(|boxed| *boxed) else { return Poll::Pending };
                    let settled = pending.layer.settle(&mut pending.request, caller, verdict);
                    pending.proceed(settled.map(|()| Admission::Admitted))
                }
            };
            state.set(next);
        }
    }
}

impl<S, ReqBody> Pending<S, ReqBody> {
    fn proceed(mut self, admission: Result<Admission, Refusal>) -> State<S, S::Future, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        match admission {
            Ok(Admission::Admitted) => State::Inner { future: self.ready.call(self.request) },
            Ok(Admission::Answered(answer)) => State::Answered { answer: Some(answer) },
            Ok(Admission::NeedsKeys { keys, token }) => {
                let refresh = Box::pin(async move { keys.refresh().await });
                State::Verifying { refresh, pending: Some(Box::new((self, token))) }
            }
            Ok(Admission::NeedsVerdict { verdict, caller }) => {
                State::Asking { verdict, pending: Some(Box::new((self, caller))) }
            }
            Err(refusal) => {
                let answer = self.layer.shared.answers.refuse(&refusal, self.request.headers());
                State::Answered { answer: Some(answer) }
            }
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
