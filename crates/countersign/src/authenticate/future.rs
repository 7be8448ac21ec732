//! The response: answered by us, from the inner service, or after keys were fetched.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use countersign_core::key::Refresh;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::layer::AuthenticateLayer;
use super::service::Waiting;

pin_project! {
    /// The future of [`Authenticate`](super::Authenticate). Boxes nothing where keys and token are at hand.
    pub struct ResponseFuture<S, ReqBody>
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
            refresh: Pin<Box<dyn Future<Output = Refresh> + Send>>,
            pending: Option<Box<Pending<S, ReqBody>>>,
        },
        Inner { #[pin] future: F },
    }
}

struct Pending<S, ReqBody> {
    layer: AuthenticateLayer,
    token: String,
    ready: S,
    request: Request<ReqBody>,
}

impl<S, ReqBody> ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    pub(super) fn inner(future: S::Future) -> Self {
        ResponseFuture { state: State::Inner { future } }
    }

    pub(super) fn answered(answer: Response<Bytes>) -> Self {
        ResponseFuture { state: State::Answered { answer: Some(answer) } }
    }

    pub(super) fn waiting(layer: AuthenticateLayer, waiting: Waiting, ready: S, request: Request<ReqBody>) -> Self {
        let Waiting { keys, token } = waiting;
        let refresh = Box::pin(async move { keys.refresh().await });
        let pending = Some(Box::new(Pending { layer, token, ready, request }));
        ResponseFuture { state: State::Verifying { refresh, pending } }
    }
}

impl<S, ReqBody, ResBody> Future for ResponseFuture<S, ReqBody>
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
                    match pending.take() {
                        Some(pending) => (*pending).proceed(&looked),
                        None => return Poll::Pending,
                    }
                }
            };
            state.set(next);
        }
    }
}

impl<S, ReqBody> Pending<S, ReqBody> {
    fn proceed(self, looked: &Refresh) -> State<S, S::Future, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        let Pending { layer, token, mut ready, mut request } = self;
        let result = layer.verifier.verify_after(&token, looked);
        match layer.conclude(&mut request, result, Some(&token)) {
            Ok(()) => State::Inner { future: ready.call(request) },
            Err(refusal) => State::Answered { answer: Some(layer.shared.answers.refuse(&refusal, request.headers())) },
        }
    }
}

impl<S, ReqBody> fmt::Debug for ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
