//! The layers of an app, with the body of axum.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::extract::Request;
use http::Response;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::response::ResponseBody;

/// A layer of this crate whose responses have the body of the routes: axum boxes any other body once more.
#[derive(Clone)]
pub(super) struct SameBody<L>(pub(super) L);

#[derive(Clone)]
pub(super) struct SameBodyService<S>(S);

pin_project! {
    pub(super) struct SameBodyFuture<F> {
        #[pin]
        inner: F,
    }
}

impl<S, L: Layer<S>> Layer<S> for SameBody<L> {
    type Service = SameBodyService<L::Service>;

    fn layer(&self, inner: S) -> Self::Service {
        SameBodyService(self.0.layer(inner))
    }
}

impl<S> Service<Request> for SameBodyService<S>
where
    S: Service<Request, Response = Response<ResponseBody<Body>>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = SameBodyFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        SameBodyFuture { inner: self.0.call(request) }
    }
}

impl<F, E> Future for SameBodyFuture<F>
where
    F: Future<Output = Result<Response<ResponseBody<Body>>, E>>,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(self.project().inner.poll(context));
        Poll::Ready(result.map(|response| response.map(|body| body.into_inner().unwrap_or_else(Body::from))))
    }
}
