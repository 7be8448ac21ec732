//! The service: credential, verifier, mark, inner service.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use countersign_core::authz::Denial;
use countersign_core::error::VerifyError;
use countersign_core::integration::{NeedsKeys, Step};
use countersign_core::verify::Verified;
use http::{Request, Response, Uri, header};
use tower_service::Service;

use super::caller::{Authenticated, CallerToken, Mark, Shared};
use super::credential::{self, Credential};
use super::future::{AuthenticateFuture, Pending};
use super::layer::AuthenticateLayer;
use super::place::{strip_protocol_tokens, without_tokens};
use super::public::is_preflight;
use crate::response::Refusal;
use crate::revocation::{Outcome, Revocation, RevocationFuture, RevocationQuery, RevocationStatus};
use crate::telemetry;

/// A service behind [`AuthenticateLayer`].
#[derive(Clone, Debug)]
pub struct Authenticate<S> {
    inner: S,
    layer: Arc<AuthenticateLayer>, // axum clones the service for each request
}

impl<S> Authenticate<S> {
    pub(super) fn new(inner: S, layer: AuthenticateLayer) -> Self {
        Authenticate { inner, layer: Arc::new(layer) }
    }

    /// The wrapped service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl AuthenticateLayer {
    /// Marks the request, says how to answer it, or says what must be waited for.
    pub(super) fn admit<B>(&self, request: &mut Request<B>) -> Result<Admission, Refusal> {
        request.extensions_mut().remove::<Authenticated>();
        request.extensions_mut().remove::<CallerToken>();
        if let Some(document) = self.metadata.as_ref().and_then(|it| it.answer(request.method(), request.uri())) {
            return Ok(Admission::Answered(document));
        }
        if self.public.holds(request.uri().path()) {
            self.mark(request, None);
            return Ok(Admission::Admitted);
        }
        let token = match credential::of(request, &self.places) {
            Credential::Bearer(token) => token,
            Credential::Malformed(why) => return Err(self.malformed(why)),
            Credential::CrossSite => {
                let why = "a cookie's token with a request that another site may have caused";
                telemetry::bad_credential("forbidden", why, &self.shared.samples, self.shared.clock.elapsed());
                return Err(Refusal::Denied(Denial::Forbidden));
            }
            Credential::None if self.allows_anonymous || self.passes_preflights && is_preflight(request) => {
                self.mark(request, None);
                return Ok(Admission::Admitted);
            }
            Credential::None => return Err(Refusal::NoToken),
        };
        let step = match self.verifier.cached(token) {
            Some(verified) => Step::Done(Ok(verified)),
            None if !credential::is_b64token(token) => return Err(self.malformed("what it brings is not one token")),
            None => self.verifier.verify_with_cached_keys(token),
        };
        match step {
            Step::Done(result) => {
                let token = self.keeps_token.then(|| token.to_owned());
                self.conclude(request, result, token)
            }
            Step::NeedsKeys(keys) => Ok(Admission::NeedsKeys { keys, token: token.to_owned() }),
        }
    }

    /// Takes what became of the token, and asks whether it was revoked.
    pub(super) fn conclude<B>(
        &self,
        request: &mut Request<B>,
        result: Result<Arc<Verified>, VerifyError>,
        token: Option<String>,
    ) -> Result<Admission, Refusal> {
        let verified = result.map_err(|error| self.refused(error))?;
        let token = token.filter(|_| self.keeps_token).map(|token| CallerToken::new(&token, verified.expires_at()));
        let caller = Caller { verified, token };
        let Some(revocation) = &self.revocation else {
            self.mark(request, Some(caller));
            return Ok(Admission::Admitted);
        };
        match revocation.ask(&caller.verified) {
            RevocationQuery::Known(verdict) => self.settle(request, caller, verdict).map(|()| Admission::Admitted),
            RevocationQuery::Pending(verdict) => Ok(Admission::NeedsVerdict { verdict, caller }),
        }
    }

    /// Takes the answer about revocation.
    pub(super) fn settle<B>(
        &self,
        request: &mut Request<B>,
        caller: Caller,
        verdict: RevocationStatus,
    ) -> Result<(), Refusal> {
        let Shared { clock, samples, .. } = &*self.shared;
        let decide = |revocation: &Revocation| revocation.decide(verdict, samples, clock.elapsed());
        match self.revocation.as_ref().map_or(Outcome::Unavailable, decide) {
            Outcome::Pass => {
                self.mark(request, Some(caller));
                Ok(())
            }
            Outcome::Revoked => Err(self.refused(VerifyError::revoked("the token or its subject was revoked"))),
            Outcome::Unavailable => Err(Refusal::RevocationUnknown),
        }
    }

    fn malformed(&self, why: &'static str) -> Refusal {
        telemetry::bad_credential("invalid_request", why, &self.shared.samples, self.shared.clock.elapsed());
        Refusal::InvalidRequest
    }

    fn refused(&self, error: VerifyError) -> Refusal {
        telemetry::refused(&error, &self.shared.samples, self.shared.clock.elapsed());
        Refusal::Token(error)
    }

    fn mark<B>(&self, request: &mut Request<B>, caller: Option<Caller>) {
        let verified = caller.map(|Caller { verified, token }| {
            telemetry::authenticated(&verified, self.shared.subjects.as_ref());
            token.map(|token| request.extensions_mut().insert(token));
            verified
        });
        if verified.is_some() {
            self.hide_token(request);
        }
        request.extensions_mut().insert(Authenticated(Mark { verified, shared: Arc::clone(&self.shared) }));
    }
}

/// Keeps the token from what stands behind the layer and might log or repeat it.
impl AuthenticateLayer {
    fn hide_token<B>(&self, request: &mut Request<B>) {
        // No `Debug` of headers shows a value that is marked so.
        if let Some(line) = request.headers_mut().get_mut(header::AUTHORIZATION) {
            line.set_sensitive(true);
        }
        if self.places.cookie.is_some()
            && let header::Entry::Occupied(mut lines) = request.headers_mut().entry(header::COOKIE)
        {
            lines.iter_mut().for_each(|line| line.set_sensitive(true));
        }
        if self.places.websocket_protocol {
            strip_protocol_tokens(request.headers_mut());
        }
        if self.places.query
            && let Some(query) = request.uri().query()
        {
            let path = request.uri().path();
            let rest = without_tokens(query).map_or(path.to_owned(), |query| format!("{path}?{query}"));
            let mut parts = request.uri().clone().into_parts();
            parts.path_and_query = rest.parse().ok();
            *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        }
    }
}

/// How far a request got without waiting.
pub(super) enum Admission {
    /// It is marked and may go on.
    Admitted,
    /// It asks for what the layer itself answers.
    Answered(Response<Bytes>),
    /// Its token's key is being fetched.
    NeedsKeys { keys: NeedsKeys, token: String },
    /// Its token is good, unless it was revoked.
    NeedsVerdict { verdict: RevocationFuture, caller: Caller },
}

/// Whose token was verified, and the token where it is kept.
pub(super) struct Caller {
    verified: Arc<Verified>,
    token: Option<CallerToken>,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Authenticate<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    ResBody: From<Bytes>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = AuthenticateFuture<S, ReqBody>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let admission = self.layer.admit(&mut request);
        match admission {
            Ok(Admission::Admitted) => AuthenticateFuture::inner(self.inner.call(request)),
            Ok(Admission::Answered(answer)) => AuthenticateFuture::answered(answer),
            Ok(waiting) => {
                // The service that was polled ready is the one that is called; its clone stays here.
                let clone = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, clone);
                AuthenticateFuture::waiting(waiting, Pending { layer: Arc::clone(&self.layer), ready, request })
            }
            Err(refusal) => {
                let answer = self.layer.shared.answers.refuse(&refusal, request.headers());
                AuthenticateFuture::answered(answer)
            }
        }
    }
}
