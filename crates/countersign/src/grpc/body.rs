//! tonic's body, which can also be created from bytes.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tonic::Status;

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
