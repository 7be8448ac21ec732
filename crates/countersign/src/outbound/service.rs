//! The service: origin, token, inner service.

use std::error::Error;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use tower_service::Service;

use super::attach::{attach, refuse_if_set};
use super::binding::not_bound;
use super::challenge::Challenge;
use super::error::OutboundError;
use super::future::ResponseFuture;
use super::layer::AttachTokenLayer;
use crate::authenticate::CallerToken;

/// A client service behind [`AttachTokenLayer`].
///
/// A [`CallerToken`] in the extensions of a request makes its call one on the caller's behalf.
#[derive(Clone, Debug)]
pub struct AttachToken<S> {
    pub(super) inner: S,
    pub(super) layer: AttachTokenLayer,
}

impl<S, B, R> Service<Request<B>> for AttachToken<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::Future: Send,
    B: Send + 'static,
    R: 'static,
{
    type Response = Response<R>;
    type Error = OutboundError;
    type Future = ResponseFuture<R>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), OutboundError>> {
        self.inner.poll_ready(context).map_err(|error| OutboundError::call(error, true))
    }

    fn call(&mut self, mut request: Request<B>) -> ResponseFuture<R> {
        // The service that was polled ready is the one that is called; its clone stays here.
        let clone = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, clone);
        let AttachTokenLayer { origin, tokens } = self.layer.clone();
        ResponseFuture(Box::pin(async move {
            if !origin.holds_uri(request.uri()) {
                return Err(not_bound());
            }
            refuse_if_set(request.headers(), &origin)?;
            let subject = request.extensions_mut().remove::<CallerToken>();
            let sent = tokens.token(subject.as_ref()).await?;
            attach(request.headers_mut(), &sent);
            let response = ready.call(request).await.map_err(|error| OutboundError::call(error, true))?;
            if is_refusal(&response) {
                match Challenge::of(response.headers()) {
                    Challenge::Renew => tokens.reject(subject.as_ref(), &sent),
                    Challenge::StepUp(step_up) => return Err(OutboundError::step_up(step_up)),
                    Challenge::Other => {}
                }
            }
            Ok(response)
        }))
    }
}

/// gRPC says it beside the status, in the head where there is no message (gRPC over HTTP/2, `Trailers-Only`).
fn is_refusal<R>(response: &Response<R>) -> bool {
    response.status() == StatusCode::UNAUTHORIZED
        || response.headers().get("grpc-status").is_some_and(|code| code == GRPC_UNAUTHENTICATED)
}

/// `UNAUTHENTICATED` among the gRPC status codes.
const GRPC_UNAUTHENTICATED: &str = "16";
