//! The response future.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use pin_project_lite::pin_project;

use crate::response::ResponseBody;

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
{
    type Output = Result<Response<ResponseBody<ResBody>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Inner { future } => {
                Poll::Ready(ready!(future.poll(context)).map(|response| response.map(ResponseBody::new)))
            }
            StateProjection::Response { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map(ResponseBody::from))),
                None => Poll::Pending, // polled after completion, which only a faulty caller does
            },
        }
    }
}
