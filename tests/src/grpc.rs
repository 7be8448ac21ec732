//! A service of tonic, as generated code would have it.

use std::convert::Infallible;
use std::future::Future;
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::server::NamedService;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

/// The service `test.Desk`, whose methods take and return a text. The function gets the name of the method: the last part of
/// the path.
#[derive(Clone)]
pub struct Desk<H>(pub H);

impl<H> NamedService for Desk<H> {
    const NAME: &'static str = "test.Desk";
}

impl<H, F> Service<http::Request<Body>> for Desk<H>
where
    H: Fn(String, Request<String>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<String>, Status>> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let name = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        let handler = self.0.clone();
        let method = service_fn(move |request| handler(name.clone(), request));
        Box::pin(async move {
            Ok(tonic::server::Grpc::new(ProstCodec::<String, String>::default()).unary(method, request).await)
        })
    }
}
