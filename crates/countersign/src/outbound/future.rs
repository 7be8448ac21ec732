//! The response future of the client service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;

use super::error::OutboundError;

/// The response future of [`AttachToken`](super::AttachToken).
pub struct AttachTokenFuture<R>(pub(super) Pin<Box<dyn Future<Output = Result<Response<R>, OutboundError>> + Send>>);

impl<R> Future for AttachTokenFuture<R> {
    type Output = Result<Response<R>, OutboundError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl<R> fmt::Debug for AttachTokenFuture<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttachTokenFuture").finish_non_exhaustive()
    }
}
