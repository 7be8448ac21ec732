//! The service.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use tower_service::Service;

use super::body::UntilTokenEnds;
use super::end::TokenEnd;
use super::future::ResponseFuture;
use super::layer::AtEnd;
use crate::authenticate::{Authenticated, Standing};
use crate::response::SetUpFault;
use crate::telemetry;

/// A service behind an [`UntilTokenEndsLayer`](super::UntilTokenEndsLayer).
#[derive(Clone, Debug)]
pub struct EndWithToken<S> {
    inner: S,
    at_end: AtEnd,
}

impl<S> EndWithToken<S> {
    pub(super) fn new(inner: S, at_end: AtEnd) -> Self {
        EndWithToken { inner, at_end }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for EndWithToken<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: From<Bytes>,
{
    type Response = Response<UntilTokenEnds<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        if matches!(Authenticated::standing(request.extensions()), Standing::Unguarded) {
            telemetry::missing_layer(request.uri().path(), telemetry::ADD_THE_LAYER);
            return ResponseFuture::answered(SetUpFault.answer(request.headers()));
        }
        let end = TokenEnd::of(request.extensions());
        ResponseFuture::inner(self.inner.call(request), end, self.at_end.clone())
    }
}
