//! The service: credential, verifier, mark, inner service.

use std::task::{Context, Poll};

use bytes::Bytes;
use countersign_core::verify::Step;
use http::{Request, Response};
use tower_service::Service;

use super::caller::{Authenticated, CallerToken, Mark};
use super::credential::{self, Credential};
use super::future::ResponseFuture;
use super::layer::AuthenticateLayer;
use super::public::is_preflight;
use crate::response::Refusal;
use crate::telemetry;

/// A service behind [`AuthenticateLayer`].
#[derive(Clone, Debug)]
pub struct Authenticate<S> {
    inner: S,
    layer: AuthenticateLayer,
}

impl<S> Authenticate<S> {
    pub(super) fn new(inner: S, layer: AuthenticateLayer) -> Self {
        Authenticate { inner, layer }
    }

    /// The wrapped service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl AuthenticateLayer {
    /// Marks the request, or says how to answer it; `Ok(None)` where keys must be fetched first.
    pub(super) fn admit<B>(&self, request: &mut Request<B>) -> Result<Option<Waiting>, Refusal> {
        request.extensions_mut().remove::<Authenticated>();
        request.extensions_mut().remove::<CallerToken>();
        if self.public.holds(request.uri().path()) {
            self.mark_anonymous(request);
            return Ok(None);
        }
        let elapsed = || self.shared.clock.elapsed();
        let token = match credential::of(request.headers(), request.uri()) {
            Credential::Bearer(token) => token,
            Credential::Malformed(why) => {
                telemetry::bad_credential("invalid_request", why, &self.shared.samples, elapsed());
                return Err(Refusal::InvalidRequest);
            }
            Credential::None if self.allows_anonymous || self.passes_preflights && is_preflight(request) => {
                self.mark_anonymous(request);
                return Ok(None);
            }
            Credential::None => return Err(Refusal::NoToken),
        };
        match self.verifier.verify_held(token) {
            Step::Done(result) => {
                let token = self.keeps_token.then(|| token.to_owned());
                self.conclude(request, result, token.as_deref())?;
                Ok(None)
            }
            Step::NeedsKeys(keys) => Ok(Some(Waiting { keys, token: token.to_owned() })),
        }
    }

    /// Marks the request as its token deserves.
    pub(super) fn conclude<B>(
        &self,
        request: &mut Request<B>,
        result: Result<std::sync::Arc<countersign_core::verify::Verified>, countersign_core::error::VerifyError>,
        token: Option<&str>,
    ) -> Result<(), Refusal> {
        match result {
            Ok(verified) => {
                telemetry::authenticated(&verified);
                if let Some(token) = token.filter(|_| self.keeps_token) {
                    request.extensions_mut().insert(CallerToken::new(token, verified.expires_at()));
                }
                let mark = Mark { verified: Some(verified), shared: std::sync::Arc::clone(&self.shared) };
                request.extensions_mut().insert(Authenticated(mark));
                Ok(())
            }
            Err(error) => {
                telemetry::refused(&error, &self.shared.samples, self.shared.clock.elapsed());
                Err(Refusal::Token(error))
            }
        }
    }

    fn mark_anonymous<B>(&self, request: &mut Request<B>) {
        let mark = Mark { verified: None, shared: std::sync::Arc::clone(&self.shared) };
        request.extensions_mut().insert(Authenticated(mark));
    }
}

/// A token whose key is being fetched.
pub(super) struct Waiting {
    pub(super) keys: countersign_core::verify::NeedsKeys,
    pub(super) token: String,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Authenticate<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    ResBody: From<Bytes>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        match self.layer.admit(&mut request) {
            Ok(None) => ResponseFuture::inner(self.inner.call(request)),
            Ok(Some(waiting)) => {
                // The service that was polled ready is the one that is called; its clone stays here.
                let clone = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, clone);
                ResponseFuture::waiting(self.layer.clone(), waiting, ready, request)
            }
            Err(refusal) => {
                let answer = self.layer.shared.answers.refuse(&refusal, request.headers());
                ResponseFuture::answered(answer)
            }
        }
    }
}
