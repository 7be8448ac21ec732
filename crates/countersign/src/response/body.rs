//! The body of a response: the inner service's, or one of this crate's.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The response body of a service behind a layer of this crate: the inner service's body, or that of a refusal.
    ///
    /// So the inner service may have any body: that of axum, of tonic, of a file server, of a layer that traces or compresses.
    ///
    /// ```
    /// use countersign::prelude::*;
    /// use tower_http::services::ServeDir;
    /// use tower_layer::Layer;
    ///
    /// let files = require(scope("files:read")).layer(ServeDir::new("files"));
    /// let app: axum::Router = axum::Router::new().nest_service("/files", files);
    /// # let _ = app;
    /// ```
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        source: Source<B>,
    }
}

pin_project! {
    #[project = SourceProjection]
    #[derive(Debug)]
    enum Source<B> {
        Inner { #[pin] body: B },
        Own { bytes: Option<Bytes> },
    }
}

impl<B> ResponseBody<B> {
    /// Wraps the body of an inner service.
    pub fn new(body: B) -> Self {
        ResponseBody { source: Source::Inner { body } }
    }

    /// The body of the inner service, or the bytes of a refusal.
    ///
    /// # Errors
    /// The bytes, if the inner service did not answer.
    pub fn into_inner(self) -> Result<B, Bytes> {
        match self.source {
            Source::Inner { body } => Ok(body),
            Source::Own { bytes } => Err(bytes.unwrap_or_default()),
        }
    }
}

impl<B> From<Bytes> for ResponseBody<B> {
    fn from(bytes: Bytes) -> Self {
        ResponseBody { source: Source::Own { bytes: Some(bytes).filter(|bytes| !bytes.is_empty()) } }
    }
}

/// An empty body, which CORS layers need.
impl<B> Default for ResponseBody<B> {
    fn default() -> Self {
        ResponseBody::from(Bytes::new())
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body,
    B::Data: From<Bytes>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().source.project() {
            SourceProjection::Inner { body } => body.poll_frame(context),
            SourceProjection::Own { bytes } => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes.into())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Inner { body } => body.is_end_stream(),
            Source::Own { bytes } => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Inner { body } => body.size_hint(),
            Source::Own { bytes } => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
        }
    }
}
