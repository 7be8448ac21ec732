//! The response: the inner service's, its body wrapped.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use pin_project_lite::pin_project;

use super::body::UntilTokenEnds;
use super::end::TokenEnd;
use super::layer::AtEnd;

pin_project! {
    /// The future of [`EndWithToken`](super::EndWithToken).
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    #[derive(Debug)]
    enum State<F> {
        Answered { answer: Option<Response<Bytes>> },
        Inner { #[pin] future: F, end: Option<TokenEnd>, at_end: AtEnd },
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn inner(future: F, end: Option<TokenEnd>, at_end: AtEnd) -> Self {
        ResponseFuture { state: State::Inner { future, end, at_end } }
    }

    pub(super) fn answered(answer: Response<Bytes>) -> Self {
        ResponseFuture { state: State::Answered { answer: Some(answer) } }
    }
}

impl<F, ResBody, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    ResBody: From<Bytes>,
{
    type Output = Result<Response<UntilTokenEnds<ResBody>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Inner { future, end, at_end } => {
                let response = ready!(future.poll(context))?;
                let wrap = |body| UntilTokenEnds::new(body, end.take(), at_end.clone());
                Poll::Ready(Ok(response.map(wrap)))
            }
            StateProjection::Answered { answer } => match answer.take() {
                Some(answer) => Poll::Ready(Ok(answer.map(UntilTokenEnds::from))),
                None => Poll::Pending, // polled again after it was ready: a caller's fault
            },
        }
    }
}
