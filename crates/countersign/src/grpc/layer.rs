//! Layers of this crate around services of tonic.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tonic::body::Body;
use tonic::server::NamedService;
use tower_layer::Layer;
use tower_service::Service;

use super::body::request_body;
use super::route::name_method;
use crate::authenticate::Authenticate;
use crate::guard::Require;
use crate::lifetime::EndWithToken;
use crate::response::AnswerForm;

/// Adapts a layer of this crate to tonic, for `Server::builder().layer(…)` or around one service.
///
/// `layer` is an [`AuthenticateLayer`](crate::authenticate::AuthenticateLayer), or the result of
/// [`require`](crate::guard::require) or [`end_with_token`](crate::lifetime::end_with_token). A service in it keeps its name, so that `add_service` accepts it. The
/// [module](crate::grpc) has an example.
pub fn grpc<L>(layer: L) -> GrpcLayer<L> {
    GrpcLayer(layer)
}

/// A layer for tonic; created by [`grpc`]. The [module](crate::grpc) has an example.
#[derive(Clone, Debug)]
pub struct GrpcLayer<L>(L);

impl<S, L: Layer<GrpcInner<S>>> Layer<S> for GrpcLayer<L> {
    type Service = Grpc<L::Service>;

    fn layer(&self, inner: S) -> Grpc<L::Service> {
        Grpc(self.0.layer(GrpcInner(inner)))
    }
}

/// A service behind a [`GrpcLayer`] that answers with tonic's body. The [module](crate::grpc) has an example.
#[derive(Clone, Debug)]
pub struct Grpc<S>(S);

/// The inner service of tonic, which reads any request body. The [module](crate::grpc) has an example.
#[derive(Clone, Debug)]
pub struct GrpcInner<S>(S);

impl<S: NamedService> NamedService for Grpc<S> {
    const NAME: &'static str = S::NAME;
}

impl<S: NamedService> NamedService for GrpcInner<S> {
    const NAME: &'static str = S::NAME;
}

impl<S: NamedService> NamedService for Authenticate<S> {
    const NAME: &'static str = S::NAME;
}

impl<S: NamedService> NamedService for Require<S> {
    const NAME: &'static str = S::NAME;
}

impl<S: NamedService> NamedService for EndWithToken<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B, R> Service<Request<B>> for Grpc<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Into<Body>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = GrpcFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        AnswerForm::mark_grpc(request.extensions_mut());
        name_method(&mut request);
        GrpcFuture { future: self.0.call(request) }
    }
}

impl<S, B> Service<Request<B>> for GrpcInner<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        name_method(&mut request);
        self.0.call(request.map(request_body))
    }
}

pin_project! {
    /// The future of [`Grpc`], which converts the response body. The [module](crate::grpc) has an example.
    #[derive(Debug)]
    pub struct GrpcFuture<F> {
        #[pin]
        future: F,
    }
}

impl<F, R, E> Future for GrpcFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Into<Body>,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(self.project().future.poll(context)).map(|response| response.map(R::into)))
    }
}
