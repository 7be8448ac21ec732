//! The response future.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use pin_project_lite::pin_project;

use crate::response::{InnerOrOwn, ResponseBody};

pin_project! {
    /// The future of [`Require`](super::Require); [`require`](super::require) has an example.
    #[derive(Debug)]
    pub struct RequireFuture<F> {
        #[pin]
        response: InnerOrOwn<F>,
    }
}

impl<F> RequireFuture<F> {
    pub(super) fn inner(future: F) -> Self {
        RequireFuture { response: InnerOrOwn::inner(future) }
    }

    pub(super) fn response(response: Response<Bytes>) -> Self {
        RequireFuture { response: InnerOrOwn::own(response) }
    }
}

impl<F, ResBody, E> Future for RequireFuture<F>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
{
    type Output = Result<Response<ResponseBody<ResBody>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().response.poll(context)
    }
}
