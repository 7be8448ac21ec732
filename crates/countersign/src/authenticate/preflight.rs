//! Answers to CORS preflights by a CORS layer that the service gives for them.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, Ready, poll_fn, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use tower_layer::Layer;
use tower_service::Service;

/// The innermost service of a preflight: no handler ever sees one.
///
/// [`AuthenticateLayerBuilder::preflights`](super::AuthenticateLayerBuilder::preflights), which has an example, puts a CORS
/// layer around it. A preflight that the layer does not answer itself is refused with 403.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PreflightEnd;

impl Service<Request<Bytes>> for PreflightEnd {
    type Response = Response<Bytes>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Bytes>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Bytes>) -> Self::Future {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::FORBIDDEN;
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        ready(Ok(response))
    }
}

/// The future of the answer to a preflight.
pub(super) type PreflightFuture = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

/// The answers to preflights, by a CORS layer around [`PreflightEnd`].
#[derive(Clone)]
pub(super) struct Preflights(Arc<dyn Fn(Request<Bytes>) -> PreflightFuture + Send + Sync>);

impl Preflights {
    pub(super) fn new<L>(cors: &L) -> Self
    where
        L: Layer<PreflightEnd>,
        L::Service:
            Service<Request<Bytes>, Response = Response<Bytes>, Error = Infallible> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request<Bytes>>>::Future: Send,
    {
        let service = cors.layer(PreflightEnd);
        Preflights(Arc::new(move |request| {
            let mut service = service.clone();
            Box::pin(async move {
                let Ok(()) = poll_fn(|context| service.poll_ready(context)).await;
                let Ok(response) = service.call(request).await;
                response
            })
        }))
    }

    /// Answers a preflight, of which only the head counts.
    pub(super) fn answer<B>(&self, request: &Request<B>) -> PreflightFuture {
        let mut head = Request::new(Bytes::new());
        *head.method_mut() = request.method().clone();
        *head.uri_mut() = request.uri().clone();
        *head.version_mut() = request.version();
        *head.headers_mut() = request.headers().clone();
        (self.0)(head)
    }
}

impl fmt::Debug for Preflights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Preflights")
    }
}
