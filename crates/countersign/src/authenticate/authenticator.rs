//! The decision about each request, shared by layer, service and future.

use std::sync::Arc;

use bytes::Bytes;
use countersign_core::authz::Denial;
use countersign_core::error::VerifyError;
use countersign_core::integration::{NeedsKeys, Step};
use countersign_core::key::RefreshOutcome;
use countersign_core::verify::{Verified, Verifier};
use http::{Request, Response};

use super::authenticated::{Authenticated, LayerContext};
use super::caller_token::CallerToken;
use super::credential::{self, Credential};
use super::locations::TokenLocations;
use super::public_paths::{PublicPaths, is_preflight};
use crate::response::{AnswerForm, Refusal, ResourceMetadata};
use crate::revocation::{Revocation, RevocationFuture, RevocationOutcome, RevocationQuery, RevocationStatus};
use crate::telemetry::{self, counts::VerificationTimer};

/// Verifies the token of each request and records the caller on it.
#[derive(Debug)]
pub(super) struct Authenticator {
    verifier: Verifier,
    settings: Settings,
    context: Arc<LayerContext>,
}

/// The settings of a layer.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) public_paths: PublicPaths,
    pub(super) grpc_paths: Vec<String>,
    pub(super) allows_anonymous: bool,
    pub(super) passes_preflights: bool,
    pub(super) keeps_token: bool,
    pub(super) revocation: Option<Revocation>,
    pub(super) metadata: Option<ResourceMetadata>,
    pub(super) locations: TokenLocations,
}

/// The next step for a request that is not refused.
pub(super) enum Admission {
    /// Calls the inner service: the request carries its [`Authenticated`].
    Forward,
    /// Answers with a document of the layer itself.
    Respond(Response<Bytes>),
    /// Waits for the key that the token needs.
    AwaitKeys { keys: NeedsKeys, token: String },
    /// Waits for the revocation status of a verified token.
    AwaitRevocation { status: RevocationFuture, caller: VerifiedCaller },
}

/// A verified caller, with the token if the layer keeps it.
pub(super) struct VerifiedCaller {
    verified: Arc<Verified>,
    token: Option<CallerToken>,
}

impl Authenticator {
    pub(super) fn new(verifier: Verifier, settings: Settings, context: LayerContext) -> Self {
        Authenticator { verifier, settings, context: Arc::new(context) }
    }

    /// The same authenticator with other settings; both share the context and its log samples.
    #[cfg(feature = "axum")]
    pub(super) fn with_settings(&self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.settings.clone();
        change(&mut settings);
        Authenticator { verifier: self.verifier.clone(), settings, context: Arc::clone(&self.context) }
    }

    #[cfg(feature = "axum")]
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Decides about a request as far as cached keys allow.
    pub(super) fn authenticate<B>(&self, request: &mut Request<B>) -> Result<Admission, Refusal> {
        request.extensions_mut().remove::<Authenticated>();
        request.extensions_mut().remove::<CallerToken>();
        if self.settings.grpc_paths.iter().any(|prefix| request.uri().path().starts_with(prefix)) {
            AnswerForm::mark_grpc(request.extensions_mut());
        }
        #[cfg(feature = "axum")]
        if self.verifier.denies_danger() && request.extensions().get::<super::form::TokenFromForm>().is_some() {
            return Err(self.invalid_request("a token in a form, which deny_danger forbids; remove token_in_form"));
        }
        let Settings { public_paths, allows_anonymous, passes_preflights, keeps_token, metadata, locations, .. } =
            &self.settings;
        if let Some(document) = metadata.as_ref().and_then(|it| it.respond(request.method(), request.uri())) {
            return Ok(Admission::Respond(document));
        }
        if public_paths.contains(request.uri().path()) {
            return Ok(self.admit_anonymous(request));
        }
        let token = match credential::read(request, locations) {
            Credential::Bearer(token) => token,
            Credential::Malformed(reason) => return Err(self.invalid_request(reason)),
            Credential::CrossSite => return Err(self.cross_site()),
            Credential::None if *allows_anonymous || *passes_preflights && is_preflight(request) => {
                return Ok(self.admit_anonymous(request));
            }
            Credential::None => return Err(Refusal::NoToken),
        };
        let step = match self.verifier.cached(token) {
            Ok(verified) => Step::Done(Ok(verified)),
            // A cached token has this form already.
            Err(uncached) if credential::is_b64token(token) => {
                let timer = VerificationTimer::start();
                let step = uncached.verify_with_cached_keys();
                timer.stop();
                step
            }
            Err(_) => return Err(self.invalid_request("the credential is not a single token")),
        };
        match step {
            Step::Done(result) => {
                let token = keeps_token.then(|| token.to_owned());
                self.check_revocation(request, result, token)
            }
            Step::NeedsKeys(keys) => Ok(Admission::AwaitKeys { keys, token: token.to_owned() }),
        }
    }

    /// Continues after the key source has answered.
    pub(super) fn resume_with_keys<B>(
        &self,
        request: &mut Request<B>,
        token: String,
        outcome: &RefreshOutcome,
    ) -> Result<Admission, Refusal> {
        let result = self.verifier.verify_after_refresh(&token, outcome);
        self.check_revocation(request, result, Some(token))
    }

    /// Continues after the revocation check has answered.
    pub(super) fn resume_with_status<B>(
        &self,
        request: &mut Request<B>,
        caller: VerifiedCaller,
        status: RevocationStatus,
    ) -> Result<Admission, Refusal> {
        let LayerContext { clock, samples, .. } = &*self.context;
        let decide = |revocation: &Revocation| revocation.decide(status, samples, clock.elapsed());
        match self.settings.revocation.as_ref().map_or(RevocationOutcome::Unavailable, decide) {
            RevocationOutcome::Accepted => Ok(self.admit(request, caller)),
            RevocationOutcome::Revoked => {
                Err(self.refused(VerifyError::revoked("the token or its subject was revoked")))
            }
            RevocationOutcome::Unavailable => Err(Refusal::RevocationUnknown),
        }
    }

    /// The response to a refused request.
    pub(super) fn refuse<B>(&self, refusal: &Refusal, request: &Request<B>) -> Response<Bytes> {
        let form = AnswerForm::from_extensions(request.extensions());
        self.context.responder.refuse(refusal, request.headers(), form)
    }

    fn check_revocation<B>(
        &self,
        request: &mut Request<B>,
        result: Result<Arc<Verified>, VerifyError>,
        token: Option<String>,
    ) -> Result<Admission, Refusal> {
        let verified = result.map_err(|error| self.refused(error))?;
        let token = token.filter(|_| self.settings.keeps_token);
        let token = token.map(|token| CallerToken::new(token, verified.expires_at()));
        let caller = VerifiedCaller { verified, token };
        let Some(revocation) = &self.settings.revocation else {
            return Ok(self.admit(request, caller));
        };
        match revocation.query(&caller.verified) {
            RevocationQuery::Known(status) => self.resume_with_status(request, caller, status),
            RevocationQuery::Pending(status) => Ok(Admission::AwaitRevocation { status, caller }),
        }
    }

    fn admit<B>(&self, request: &mut Request<B>, VerifiedCaller { verified, token }: VerifiedCaller) -> Admission {
        telemetry::authenticated(&verified, self.context.subjects.as_ref());
        if let Some(token) = token {
            request.extensions_mut().insert(token);
        }
        self.settings.locations.hide_token(request);
        self.record(request, Some(verified))
    }

    fn admit_anonymous<B>(&self, request: &mut Request<B>) -> Admission {
        self.record(request, None)
    }

    fn record<B>(&self, request: &mut Request<B>, verified: Option<Arc<Verified>>) -> Admission {
        let form = AnswerForm::from_extensions(request.extensions());
        request.extensions_mut().insert(Authenticated { verified, context: Arc::clone(&self.context), form });
        Admission::Forward
    }

    fn invalid_request(&self, reason: &'static str) -> Refusal {
        self.log_bad_credential("invalid_request", reason);
        Refusal::InvalidRequest
    }

    fn cross_site(&self) -> Refusal {
        self.log_bad_credential("forbidden", "a token in a cookie, in a request that another site may have caused");
        Refusal::Denied(Denial::Forbidden)
    }

    fn refused(&self, error: VerifyError) -> Refusal {
        telemetry::refused(&error, &self.context.samples, self.context.clock.elapsed());
        Refusal::Token(error)
    }

    fn log_bad_credential(&self, code: &'static str, reason: &'static str) {
        telemetry::bad_credential(code, reason, &self.context.samples, self.context.clock.elapsed());
    }
}
