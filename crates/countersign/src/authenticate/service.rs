//! The service.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::admission::Admission;
use super::authenticator::Authenticator;
use super::future::{AuthenticateFuture, Suspended};
use crate::response::ResponseBody;

/// A service behind an [`AuthenticateLayer`](super::AuthenticateLayer).
///
/// Its type can be named, for example in a struct:
///
/// ```
/// use countersign::authenticate::{Authenticate, AuthenticateLayer};
/// use tower_layer::Layer;
///
/// struct Stack<S> {
///     service: Authenticate<S>,
/// }
///
/// fn stack<S>(layer: &AuthenticateLayer, inner: S) -> Stack<S> {
///     Stack { service: layer.layer(inner) }
/// }
/// # let _ = stack::<()>;
/// ```
#[derive(Clone, Debug)]
pub struct Authenticate<S> {
    inner: S,
    authenticator: Arc<Authenticator>, // axum clones the service for each request
}

impl<S> Authenticate<S> {
    pub(super) fn new(inner: S, authenticator: Arc<Authenticator>) -> Self {
        Authenticate { inner, authenticator }
    }

    /// The wrapped service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Authenticate<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = AuthenticateFuture<S, ReqBody>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        match self.authenticator.authenticate(&mut request) {
            Ok(Admission::Forward(caller)) => {
                request.extensions_mut().insert(caller);
                let addition = self.authenticator.addition(&mut request);
                AuthenticateFuture::inner(self.inner.call(request), addition)
            }
            Ok(Admission::Respond(response)) => AuthenticateFuture::response(response),
            Ok(waiting) => {
                // The service that was polled ready is the one that is called; its clone stays here.
                let clone = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, clone);
                let authenticator = Arc::clone(&self.authenticator);
                AuthenticateFuture::suspended(waiting, Suspended { authenticator, ready, request })
            }
            Err(refusal) => match self.authenticator.refuse(refusal, &mut request) {
                Some(response) => AuthenticateFuture::response(response),
                None => {
                    let addition = self.authenticator.addition_of_refused(&request);
                    AuthenticateFuture::inner(self.inner.call(request), addition)
                }
            },
        }
    }
}
