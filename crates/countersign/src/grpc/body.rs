//! Bodies of tonic.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::Status;

use crate::lifetime::{EndWithTokenBody, TokenEnded};
use crate::response::ResponseBody;

/// A response behind a layer of this crate. A refusal to a gRPC caller has an empty body, one to any other caller has content.
impl<B: Into<tonic::body::Body>> From<ResponseBody<B>> for tonic::body::Body {
    fn from(body: ResponseBody<B>) -> Self {
        match body.into_inner() {
            Ok(body) => body.into(),
            Err(bytes) => tonic::body::Body::new(ResponseBody::<tonic::body::Body>::from(bytes)),
        }
    }
}

/// A response that ends with the caller's token.
impl<B> From<EndWithTokenBody<B>> for tonic::body::Body
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    fn from(body: EndWithTokenBody<B>) -> Self {
        tonic::body::Body::new(body)
    }
}

/// The body of a request to a service of tonic; an expired token is the status `UNAUTHENTICATED`.
pub(super) fn request_body<B>(body: B) -> tonic::body::Body
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // The body of tonic itself is not boxed again.
    let mut body = Some(body);
    if let Some(own) = (&mut body as &mut dyn std::any::Any).downcast_mut::<Option<tonic::body::Body>>()
        && let Some(own) = own.take()
    {
        return own;
    }
    body.map_or_else(tonic::body::Body::empty, |body| tonic::body::Body::new(RequestBody { body }))
}

pin_project! {
    struct RequestBody<B> {
        #[pin]
        body: B,
    }
}

impl<B> Body for RequestBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(self.project().body.poll_frame(context));
        Poll::Ready(frame.map(|frame| {
            frame.map_err(|error| match error.into() {
                ended if ended.is::<TokenEnded>() => Status::unauthenticated("the token has expired"),
                other => Status::from_error(other),
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
