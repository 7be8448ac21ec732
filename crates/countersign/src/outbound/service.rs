//! The client service that attaches tokens.

use std::error::Error;
use std::sync::Arc;
use std::task::{Context, Poll};

use countersign_core::verify::TransactionToken;
use http::{Request, Response, StatusCode, header};
use tower_service::Service;

use super::attach::{attach, refuse_unsafe_headers};
use super::binding::{Binding, Bindings};
use super::error::OutboundError;
use super::future::AttachTokenFuture;
use super::retry::drop_refused_token;
use super::source::OutboundToken;
use super::transaction::{CallTransaction, forward};
use crate::authenticate::CallerToken;

/// `UNAUTHENTICATED` among the gRPC status codes.
const GRPC_UNAUTHENTICATED: &str = "16";

/// A client service behind [`AttachTokenLayer`](super::AttachTokenLayer), which has the example.
///
/// A [`CallerToken`] in the extensions of a request makes it a call on that caller's behalf. A [`TransactionToken`] there is
/// forwarded to origins that [get it](super::OutboundBuilder::forward_transaction).
#[derive(Clone, Debug)]
pub struct AttachToken<S> {
    inner: S,
    bindings: Bindings,
}

impl<S> AttachToken<S> {
    pub(super) fn new(inner: S, bindings: Bindings) -> Self {
        AttachToken { inner, bindings }
    }
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
    type Future = AttachTokenFuture<R>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), OutboundError>> {
        self.inner.poll_ready(context).map_err(|error| OutboundError::call(error, true))
    }

    fn call(&mut self, mut request: Request<B>) -> AttachTokenFuture<R> {
        // The service that was polled ready is called; its clone replaces it.
        let clone = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, clone);
        let bindings = self.bindings.clone();
        AttachTokenFuture(Box::pin(async move {
            let binding = bindings.for_uri(request.uri())?;
            refuse_unsafe_headers(request.headers(), &binding.origin)?;
            let subject = request.extensions_mut().remove::<CallerToken>();
            let transaction = CallTransaction::from(request.extensions_mut().remove::<TransactionToken>());
            forward(binding, &transaction, request.headers_mut())?;
            let token = binding.tokens.token(subject.as_ref()).await?;
            let nonce = attach_to(&mut request, binding, &token)?;
            let response = ready.call(request).await.map_err(|error| OutboundError::call(error, true))?;
            binding.learn_nonce(&token, response.headers(), nonce.as_deref());
            if is_unauthenticated(&response) {
                drop_refused_token(binding, subject.as_ref(), &token, response.headers())?;
            }
            Ok(response)
        }))
    }
}

fn attach_to<B>(
    request: &mut Request<B>,
    binding: &Binding,
    token: &OutboundToken,
) -> Result<Option<Arc<str>>, OutboundError> {
    if token.signer().is_none() {
        request.headers_mut().insert(header::AUTHORIZATION, token.header().clone());
        return Ok(None);
    }
    let mut headers = std::mem::take(request.headers_mut());
    let nonce = attach(binding, token, (request.method(), request.uri().path()), &mut headers);
    *request.headers_mut() = headers;
    nonce
}

/// Returns whether the response is a 401, or a gRPC response without a message that says the same (`Trailers-Only`).
pub(super) fn is_unauthenticated<R>(response: &Response<R>) -> bool {
    response.status() == StatusCode::UNAUTHORIZED
        || response.headers().get("grpc-status").is_some_and(|code| code == GRPC_UNAUTHENTICATED)
}
