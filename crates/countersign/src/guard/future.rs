//! The response future.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use pin_project_lite::pin_project;

pin_project! {
    /// The future of [`Require`](super::Require); [`require`](super::require) has an example.
    #[derive(Debug)]
    pub struct RequireFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    #[derive(Debug)]
    enum State<F> {
        Response { response: Option<Response<Bytes>> },
        Inner { #[pin] future: F },
    }
}

impl<F> RequireFuture<F> {
    pub(super) fn inner(future: F) -> Self {
        RequireFuture { state: State::Inner { future } }
    }

    pub(super) fn response(response: Response<Bytes>) -> Self {
        RequireFuture { state: State::Response { response: Some(response) } }
    }
}

impl<F, ResBody, E> Future for RequireFuture<F>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    ResBody: From<Bytes>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        match self.project().state.project() {
            StateProjection::Inner { future } => future.poll(context),
            StateProjection::Response { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map(ResBody::from))),
                None => Poll::Pending, // polled after completion, which only a faulty caller does
            },
        }
    }
}
