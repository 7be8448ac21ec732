//! tonic's body, which can also be created from bytes.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::Status;

use crate::lifetime::{EndWithTokenBody, TokenEnded};

/// A body of tonic that can also be created from bytes, as the layers of this crate require.
///
/// ```
/// use countersign::grpc::GrpcBody;
///
/// let empty = GrpcBody::from(bytes::Bytes::new());
/// # let _ = empty;
/// ```
#[derive(Debug)]
pub struct GrpcBody(pub(super) tonic::body::Body);

/// A refusal to a gRPC caller has an empty body, one to any other caller has content.
impl From<Bytes> for GrpcBody {
    fn from(bytes: Bytes) -> Self {
        GrpcBody(tonic::body::Body::new(Whole(Some(bytes).filter(|bytes| !bytes.is_empty()))))
    }
}

/// A body of one frame or none.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, Bytes::len) as u64)
    }
}

impl Body for GrpcBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl From<GrpcBody> for tonic::body::Body {
    fn from(GrpcBody(body): GrpcBody) -> Self {
        body
    }
}

/// A response that ends with the caller's token.
impl From<EndWithTokenBody<GrpcBody>> for tonic::body::Body {
    fn from(body: EndWithTokenBody<GrpcBody>) -> Self {
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
