//! The response of the layer's service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;

use super::error::OutboundError;

/// The future of [`AttachToken`](super::AttachToken).
pub struct ResponseFuture<R>(pub(super) Pin<Box<dyn Future<Output = Result<Response<R>, OutboundError>> + Send>>);

impl<R> Future for ResponseFuture<R> {
    type Output = Result<Response<R>, OutboundError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl<R> fmt::Debug for ResponseFuture<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
