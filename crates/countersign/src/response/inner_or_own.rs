//! The response of an inner service, or one in its place.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use pin_project_lite::pin_project;

use super::body::ResponseBody;

pin_project! {
    /// The future of a layer that calls the inner service or answers by itself.
    #[project = InnerOrOwnProjection]
    #[derive(Debug)]
    pub(crate) enum InnerOrOwn<F> {
        Own { response: Option<Response<Bytes>> },
        Inner { #[pin] future: F },
    }
}

impl<F> InnerOrOwn<F> {
    #[inline]
    pub(crate) fn inner(future: F) -> Self {
        InnerOrOwn::Inner { future }
    }

    pub(crate) fn own(response: Response<Bytes>) -> Self {
        InnerOrOwn::Own { response: Some(response) }
    }
}

impl<F, ResBody, E> Future for InnerOrOwn<F>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
{
    type Output = Result<Response<ResponseBody<ResBody>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            InnerOrOwnProjection::Inner { future } => {
                Poll::Ready(ready!(future.poll(context)).map(|response| response.map(ResponseBody::new)))
            }
            InnerOrOwnProjection::Own { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map(ResponseBody::from))),
                None => Poll::Pending, // polled after completion, which only a faulty caller does
            },
        }
    }
}
