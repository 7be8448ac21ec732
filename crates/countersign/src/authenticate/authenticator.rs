//! The decision about each request, shared by layer, service and future.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign_core::authz::Denial;
use countersign_core::error::VerifyError;
use countersign_core::integration::{
    NeedsKeys, Possession, Step, TransactionStep, Uncached, cached_transaction, check_sender, decode_base64url,
    verify_transaction_after_refresh,
};
use countersign_core::key::{RefreshOutcome, Thumbprint};
use countersign_core::proof::DpopProof;
use countersign_core::token::CredentialKind;
use countersign_core::verify::{Outcome, TransactionToken, Verified, Verifier};
use http::{Extensions, Request, Response, Uri};

use super::addition::{Addition, NextNonce};
use super::admission::{
    Admission, AskedToken, ProvenToken, Resumption, Sender, SuspendedToken, SuspendedTransaction, VerifiedCaller,
    possession,
};
use super::api_key::{ApiKeyAnswer, ApiKeyCheck};
use super::asked::AskedAbout;
use super::authenticated::{Authenticated, LayerContext};
use super::caller_token::CallerToken;
#[cfg(feature = "axum")]
use super::coverage::Coverage;
use super::credential::{self, Credential};
use super::locations::TokenLocations;
use super::opaque::{Answered, Asked, Introspector};
use super::preflight::Preflights;
use super::public_paths::{PublicPaths, is_preflight, requested_uri};
use super::transaction::{self, Transactions, TxnHeader};
use crate::audit::{Trail, TrailOwner, Weight};
use crate::proof::{
    CheckedProof, MutualTls, ProofChecker, ProofError, ReadProof, ReplayOutcome, ReplayQuery, ReplayStore,
};
use crate::response::{AnswerForm, Refusal, ResourceMetadata};
use crate::revocation::{Revocation, RevocationOutcome, RevocationQuery, RevocationStatus};
use crate::rt;
use crate::telemetry::{self, counts::VerificationTimer};

/// The longest wait of a request for keys. The sources of this crate answer sooner; this ends the wait for any other.
const MAX_KEY_WAIT: Duration = Duration::from_secs(60);

/// When to retry after that.
const RETRY_AFTER: Duration = Duration::from_secs(1);

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
    pub(super) optional_paths: PublicPaths,
    pub(super) grpc_paths: Vec<String>,
    pub(super) allows_anonymous: bool,
    pub(super) preflights: Option<Preflights>,
    pub(super) keeps_token: bool,
    /// Sends refused requests on as anonymous ones, with the refusal, to a router that may hand them back.
    pub(super) forwards_refused: bool,
    pub(super) metadata: Option<ResourceMetadata>,
    pub(super) locations: TokenLocations,
    pub(super) dpop: Option<Arc<ProofChecker>>,
    pub(super) mutual_tls: Option<MutualTls>,
    pub(super) transactions: Option<Transactions>,
}

/// The verification of a token with the keys that are cached.
enum Verification {
    Done(Arc<Verified>),
    NeedsKeys(Box<NeedsKeys>),
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
    pub(super) fn coverage(&self) -> &Coverage {
        &self.context.coverage
    }

    #[cfg(feature = "axum")]
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    #[cfg(feature = "axum")]
    pub(super) fn is_audited(&self) -> bool {
        self.context.audit.is_some()
    }

    /// The store of used proofs.
    pub(super) fn replays(&self) -> Option<&Arc<dyn ReplayStore>> {
        self.settings.dpop.as_ref().map(|checker| checker.replays())
    }

    #[cfg(feature = "status-list")]
    pub(super) fn added_lists(&self) -> Option<&Arc<crate::status::StatusLists>> {
        self.context.added_lists.as_ref()
    }

    #[cfg(feature = "introspection")]
    pub(super) fn introspection(&self) -> Option<&Introspector> {
        self.context.introspection.as_ref()
    }

    /// Decides about a request as far as cached keys allow.
    ///
    /// What few requests need has functions of its own: between two requests, other code takes the processor's first cache,
    /// and what stands in between would be read again with each of them.
    pub(super) fn authenticate<B>(&self, request: &mut Request<B>) -> Result<Admission, Refusal> {
        if let Some(audit) = &self.context.audit {
            Trail::begin(audit, request);
        }
        let before = take_record(request.extensions_mut());
        let settings = &self.settings;
        // Headers of untrusted peers are removed, whatever becomes of the request.
        let certificate = settings.mutual_tls.as_ref().map_or(Ok(None), |mutual_tls| mutual_tls.take(request));
        if !settings.grpc_paths.is_empty() {
            self.mark_grpc(request);
        }
        #[cfg(feature = "axum")]
        if request.extensions().get::<super::form::TokenFromForm>().is_some() && self.verifier.denies_danger() {
            return Err(self.invalid_request("a token in a form, which deny_danger forbids; remove token_in_form"));
        }
        if let Some(document) = settings.metadata.as_ref().and_then(|metadata| document(metadata, request)) {
            return Ok(Admission::Respond(document));
        }
        let mut is_optional = false;
        if !(settings.optional_paths.is_empty() && settings.public_paths.is_empty()) {
            let path = requested_uri(request).map(Uri::path);
            is_optional = settings.optional_paths.contains(path);
            if !is_optional && settings.public_paths.contains(path) {
                return Ok(self.admit_anonymous(request));
            }
        }
        if let Some(before) = &before
            && let Some(refusal) = self.refused_before(before)
        {
            return Err(refusal);
        }
        let decoded;
        let credential = credential::read(request, &settings.locations);
        let token = match credential {
            Credential::Bearer(token) | Credential::Dpop(token) | Credential::ApiKey(token) => token,
            Credential::Encoded(encoded) => {
                decoded = self.decoded(encoded)?;
                &decoded
            }
            Credential::Malformed(reason) => return Err(self.invalid_request(reason)),
            Credential::CrossSite(reason) => return Err(self.cross_site(reason)),
            Credential::None => return self.without_token(request, is_optional),
        };
        let read = match &settings.dpop {
            Some(checker) if matches!(credential, Credential::Dpop(_)) => {
                Some(self.read_proof(checker, request, token)?)
            }
            _ => None,
        };
        let certificate = certificate.map_err(|reason| self.invalid_request(reason))?.map(Box::new);
        if let Some(api_keys) = self.context.api_keys.as_deref()
            && (matches!(credential, Credential::ApiKey(_)) || api_keys.takes(token))
        {
            let (asked, suspended) = self.ask_api_keys(api_keys, credential, token, certificate)?;
            return self.await_answer(request, asked, suspended);
        }
        let introspection = self.context.introspection.as_ref();
        if let Some(introspection) = introspection.filter(|it| it.takes_at_sight(token)) {
            let sender = Sender { proof: self.proof_for(read, token, None)?, certificate };
            let (asked, suspended) = self.ask(introspection, token, sender)?;
            return self.await_answer(request, asked, suspended);
        }
        let proven;
        let possession = match (&read, &certificate) {
            (None, None) => Possession::none(),
            _ => {
                proven = possession(read.as_ref().map(ReadProof::thumbprint), certificate.as_deref());
                &proven
            }
        };
        let cached = self.verifier.cached_with(token, possession);
        let proof = match read {
            None => None,
            read => self.proof_for(read, token, cached.as_deref().ok())?,
        };
        let sender = Sender { proof, certificate };
        let verified = match cached {
            Ok(verified) => verified,
            Err(uncached) => {
                if let Some(introspection) = introspection.filter(|it| it.takes(token)) {
                    let (asked, suspended) = self.ask(introspection, token, sender)?;
                    return self.await_answer(request, asked, suspended);
                }
                match self.verify(uncached, token, before.as_ref())? {
                    Verification::Done(verified) => verified,
                    Verification::NeedsKeys(keys) => return Ok(await_keys(*keys, token, before, sender)),
                }
            }
        };
        if let Some((asked, verified)) = self.ask_also(&verified, token) {
            let suspended = AskedToken { token: self.kept(token), signed: Some(verified), sender };
            return self.await_answer(request, asked, suspended);
        }
        let token = settings.keeps_token.then(|| token.to_owned());
        self.check_proof(request, verified, token, sender.proof)
    }

    #[inline(never)]
    fn mark_grpc<B>(&self, request: &mut Request<B>) {
        let path = requested_uri(request).map(Uri::path).unwrap_or_default();
        if self.settings.grpc_paths.iter().any(|prefix| path.starts_with(prefix)) {
            AnswerForm::mark_grpc(request.extensions_mut());
        }
    }

    /// The refusal of a request that this layer refused before.
    #[inline(never)]
    fn refused_before(&self, before: &Authenticated) -> Option<Refusal> {
        before.refusal.as_deref().filter(|_| Arc::ptr_eq(&before.context, &self.context)).cloned()
    }

    #[cold]
    fn decoded(&self, encoded: &str) -> Result<String, Refusal> {
        let token = decode_base64url(encoded).and_then(|token| String::from_utf8(token).ok());
        token.ok_or_else(|| self.invalid_request("the subprotocol is not a token in canonical base64url"))
    }

    /// Decides about a request without a token.
    #[cold]
    fn without_token<B>(&self, request: &Request<B>, is_optional: bool) -> Result<Admission, Refusal> {
        if let Some(scheme) = credential::other_scheme(request.headers()) {
            telemetry::other_scheme(scheme, &self.context.samples, self.context.clock.elapsed());
        }
        if let Some(preflights) = self.settings.preflights.as_ref().filter(|_| is_preflight(request)) {
            return Ok(Admission::AnswerPreflight(preflights.answer(request)));
        }
        if self.settings.allows_anonymous || is_optional {
            self.refuse_lone_transaction(request)?;
            Ok(self.admit_anonymous(request))
        } else {
            Err(Refusal::NoToken)
        }
    }

    #[inline(never)]
    fn read_proof<B>(&self, checker: &ProofChecker, request: &Request<B>, token: &str) -> Result<ReadProof, Refusal> {
        let read = checker.read(request, requested_uri(request), self.context.clock.now());
        read.map_err(|error| self.refused_read(checker, error, token))
    }

    #[inline(never)]
    fn ask_api_keys(
        &self,
        api_keys: &dyn ApiKeyCheck,
        credential: Credential<'_>,
        key: &str,
        certificate: Option<Box<Thumbprint>>,
    ) -> Result<(Asked, AskedToken), Refusal> {
        let is_api_key = matches!(credential, Credential::ApiKey(_));
        // Neither a verifier nor an introspection endpoint has to see a key that arrives elsewhere.
        if matches!(credential, Credential::Dpop(_)) || is_api_key != self.settings.locations.api_key.is_some() {
            let problem = "an API key arrived in another place than the one that this layer reads";
            return Err(self.refused(VerifyError::impossible(problem)));
        }
        let sender = Sender { proof: None, certificate };
        // It is never kept: no other service may learn it, nor exchange it.
        Ok((Self::check_api_key(api_keys, key), AskedToken { token: None, signed: None, sender }))
    }

    /// Verifies a token that is not cached.
    #[inline(never)]
    fn verify(
        &self,
        uncached: Uncached<'_>,
        token: &str,
        before: Option<&Authenticated>,
    ) -> Result<Verification, Refusal> {
        // A cached token has this form already.
        if !credential::is_b64token(token) {
            return Err(self.invalid_request("the credential is not a single token"));
        }
        let timer = VerificationTimer::start();
        let step = uncached.verify_with_cached_keys();
        timer.stop();
        match step {
            Step::Done(Ok(verified)) => Ok(Verification::Done(verified)),
            Step::Done(Err(error)) => {
                if let Some(before) = before.and_then(|before| before.verified.as_ref()) {
                    self.log_second_layer(before.issuer());
                }
                Err(self.refused(self.mark_if_signed(error, token)))
            }
            Step::NeedsKeys(keys) => Ok(Verification::NeedsKeys(Box::new(keys))),
        }
    }

    /// The additions to the response of this request.
    #[inline]
    pub(super) fn addition<B>(&self, request: &mut Request<B>) -> Addition {
        let Settings { dpop, locations, .. } = &self.settings;
        if dpop.is_none() && locations.protocols.is_off() && self.context.audit.is_none() {
            return Addition::default();
        }
        self.needed_addition(request)
    }

    #[inline(never)]
    fn needed_addition<B>(&self, request: &mut Request<B>) -> Addition {
        let nonce = self.settings.dpop.as_ref().and_then(|_| request.extensions_mut().remove::<NextNonce>());
        Addition {
            pair: self.settings.locations.protocols.pair_status(request),
            is_cross_origin: nonce.is_some() && request.headers().contains_key(http::header::ORIGIN),
            nonce: nonce.map(|NextNonce(nonce)| Box::new(nonce)),
            audit: self.trail_owner(request),
        }
    }

    fn trail_owner<B>(&self, request: &Request<B>) -> Option<TrailOwner> {
        self.context.audit.as_ref().and_then(|_| TrailOwner::claim(request.extensions()))
    }

    /// Continues after a wait.
    pub(super) fn resume<B>(&self, request: &mut Request<B>, resumption: Resumption) -> Result<Admission, Refusal> {
        match resumption {
            Resumption::Keys(outcome, token) => self.resume_with_keys(request, token, &outcome),
            Resumption::Replay(outcome, proven) => self.resume_with_replay(request, proven, outcome),
            Resumption::Answer(outcome, token) => self.resume_with_answer(request, token, outcome),
            Resumption::Revocation(status, caller) => self.resume_with_status(request, caller, status),
            Resumption::Transaction(outcome, suspended) => self.resume_with_transaction(request, suspended, &outcome),
        }
    }

    /// Continues after the key source has answered.
    fn resume_with_keys<B>(
        &self,
        request: &mut Request<B>,
        SuspendedToken { token, span, before, sender }: SuspendedToken,
        outcome: &RefreshOutcome,
    ) -> Result<Admission, Refusal> {
        let possession = sender.possession();
        let result = span.finish(|| self.verifier.verify_after_refresh_with(&token, &possession, outcome));
        let result = result.map_err(|error| {
            if let Some(before) = before.filter(|_| !error.is_unavailable()) {
                self.log_second_layer(before.issuer());
            }
            self.mark_if_signed(error, &token)
        });
        let verified = result.map_err(|error| self.refused(error))?;
        if let Some((asked, verified)) = self.ask_also(&verified, &token) {
            let suspended = AskedToken { token: Some(token), signed: Some(verified), sender };
            return self.await_answer(request, asked, suspended);
        }
        self.check_proof(request, verified, Some(token), sender.proof)
    }

    fn check_api_key(api_keys: &dyn ApiKeyCheck, key: &str) -> Asked {
        match api_keys.check(key) {
            ApiKeyAnswer::Known(answer) => Asked::Known(answer),
            ApiKeyAnswer::Pending(answer) => Asked::Pending(answer),
        }
    }

    /// The text of a token that is kept, or is not in the `Authorization` header, from which it can be read again.
    fn kept(&self, token: &str) -> Option<String> {
        let is_kept = self.settings.keeps_token || !self.settings.locations.is_header_only();
        is_kept.then(|| token.to_owned())
    }

    /// Asks about a token that is not signed.
    #[inline(never)]
    fn ask(&self, introspection: &Introspector, token: &str, sender: Sender) -> Result<(Asked, AskedToken), Refusal> {
        if !credential::is_b64token(token) {
            return Err(self.invalid_request("the credential is not a single token"));
        }
        Ok((introspection.ask(token), AskedToken { token: self.kept(token), signed: None, sender }))
    }

    /// Asks about a signed token that was verified here, if the settings say so.
    #[inline]
    fn ask_also(&self, verified: &Arc<Verified>, token: &str) -> Option<(Asked, Arc<Verified>)> {
        let introspection = self.context.introspection.as_ref()?;
        introspection.also_asks(verified).then(|| (introspection.ask_about_signed(token), Arc::clone(verified)))
    }

    #[inline(never)]
    fn await_answer<B>(
        &self,
        request: &mut Request<B>,
        asked: Asked,
        suspended: AskedToken,
    ) -> Result<Admission, Refusal> {
        match asked {
            Asked::Known(outcome) => self.resume_with_answer(request, suspended, outcome),
            Asked::Pending(answer) => {
                Ok(Admission::Await(Box::pin(async move { Resumption::Answer(answer.await, suspended) })))
            }
        }
    }

    /// Continues after an introspection endpoint has answered.
    fn resume_with_answer<B>(
        &self,
        request: &mut Request<B>,
        AskedToken { token, signed, sender }: AskedToken,
        outcome: Answered,
    ) -> Result<Admission, Refusal> {
        let result = outcome.and_then(|verified| match signed {
            // Its claims are its own; the answer only says whether it is still active.
            Some(signed) => Ok(signed),
            None => check_sender(&self.verifier, verified, &sender.possession()),
        });
        let verified = result.map_err(|error| self.refused(error))?;
        self.check_proof(request, verified, token, sender.proof)
    }

    /// Continues after the revocation check has answered.
    fn resume_with_status<B>(
        &self,
        request: &mut Request<B>,
        caller: VerifiedCaller,
        status: RevocationStatus,
    ) -> Result<Admission, Refusal> {
        let LayerContext { clock, samples, revocation, .. } = &*self.context;
        let decide = |revocation: &Revocation| revocation.decide(status, &caller.verified, samples, &**clock);
        match revocation.as_ref().map_or(RevocationOutcome::Unavailable, decide) {
            RevocationOutcome::Accepted => self.check_transaction(request, caller),
            RevocationOutcome::Revoked => {
                Err(self.refused(VerifyError::revoked("the token or its subject was revoked")))
            }
            RevocationOutcome::Suspended => {
                Err(self.refused(VerifyError::suspended("the status of the token is suspended")))
            }
            RevocationOutcome::Unavailable => Err(Refusal::RevocationUnknown),
        }
    }

    /// The additions to the response of a refused request that is sent on.
    pub(super) fn addition_of_refused<B>(&self, request: &Request<B>) -> Addition {
        Addition { audit: self.trail_owner(request), ..Addition::default() }
    }

    /// The response to a refused request; `None` if the request goes on to a router that may hand it back.
    pub(super) fn refuse<B>(&self, refusal: Refusal, request: &mut Request<B>) -> Option<Response<Bytes>> {
        if self.settings.forwards_refused {
            let caller = self.record(request, None, None, None);
            request.extensions_mut().insert(Authenticated { refusal: Some(Box::new(refusal)), ..caller });
            return None;
        }
        let form = AnswerForm::from_extensions(request.extensions());
        let response = self.context.responder.refuse(&refusal, request.headers(), form);
        if let Some(trail) = Trail::of(request.extensions()) {
            trail.refused(&refusal, None, None, Weight::Final);
            if let Some(owner) = self.trail_owner(request) {
                owner.finish(&response);
            }
        }
        Some(response)
    }

    /// Marks the error of a signed token, if callers learn its reason: cheap checks come before the signature, which has to
    /// be checked for this.
    fn mark_if_signed(&self, error: VerifyError, token: &str) -> VerifyError {
        if error.is_signature_verified() || error.is_unavailable() || !self.context.responder.tells_detail() {
            return error;
        }
        let report = self.verifier.explain_with_cached_keys(token);
        let is_signed = report.check("signature").is_some_and(|check| check.outcome == Outcome::Passed);
        if is_signed { error.after_signature() } else { error }
    }

    /// Checks what is left of the proof, which is that of the key that the token is bound to, and records its use.
    #[inline]
    fn check_proof<B>(
        &self,
        request: &mut Request<B>,
        verified: Arc<Verified>,
        token: Option<String>,
        proof: Option<Box<DpopProof>>,
    ) -> Result<Admission, Refusal> {
        match proof.zip(self.settings.dpop.as_ref()) {
            None => self.check_revocation(request, verified, token),
            Some((proof, checker)) => self.record_proof(request, checker, ProvenToken { verified, token, proof }),
        }
    }

    #[inline(never)]
    fn record_proof<B>(
        &self,
        request: &mut Request<B>,
        checker: &ProofChecker,
        mut proven: ProvenToken,
    ) -> Result<Admission, Refusal> {
        let now = self.context.clock.now();
        checker.check(&mut proven.proof, now).map_err(|error| self.refused_proof(checker, error))?;
        let mark = request.extensions().get::<CheckedProof>();
        if mark.is_some_and(|mark| mark.is_of(checker, &proven.proof)) {
            self.tell_nonce(request, checker, &proven.proof);
            return self.check_revocation(request, proven.verified, proven.token);
        }
        match checker.record(&proven.proof, &proven.verified, now) {
            ReplayQuery::Known(outcome) => self.resume_with_replay(request, proven, outcome),
            ReplayQuery::Pending(outcome) => {
                Ok(Admission::Await(Box::pin(async move { Resumption::Replay(outcome.await, proven) })))
            }
        }
    }

    /// Continues after the store of used proofs has answered.
    fn resume_with_replay<B>(
        &self,
        request: &mut Request<B>,
        ProvenToken { verified, token, proof }: ProvenToken,
        outcome: ReplayOutcome,
    ) -> Result<Admission, Refusal> {
        if let Some(checker) = &self.settings.dpop {
            ProofChecker::decide(outcome).map_err(|error| self.refused_proof(checker, error))?;
            checker.remember(&proof);
            let before = request.extensions_mut().remove::<CheckedProof>();
            request.extensions_mut().insert(CheckedProof::new(before, checker, &proof));
            self.tell_nonce(request, checker, &proof);
        }
        self.check_revocation(request, verified, token)
    }

    /// Has the response tell the next nonce, if that of this proof is no longer the current one.
    fn tell_nonce<B>(&self, request: &mut Request<B>, checker: &ProofChecker, proof: &DpopProof) {
        if let Some(nonce) = checker.next_nonce(proof, self.context.clock.now()) {
            request.extensions_mut().insert(NextNonce(nonce));
        }
    }

    fn check_revocation<B>(
        &self,
        request: &mut Request<B>,
        verified: Arc<Verified>,
        token: Option<String>,
    ) -> Result<Admission, Refusal> {
        let token = match token {
            None => None,
            Some(token) => self.caller_token(&verified, token),
        };
        let caller = VerifiedCaller { verified, token };
        if let Some(revocation) = &self.context.revocation {
            match revocation.query(&caller.verified) {
                // No setting decides about it.
                RevocationQuery::Known(RevocationStatus::Valid) => {}
                RevocationQuery::Known(status) => return self.resume_with_status(request, caller, status),
                RevocationQuery::Pending(status) => {
                    return Ok(Admission::Await(Box::pin(async move { Resumption::Revocation(status.await, caller) })));
                }
            }
        }
        self.check_transaction(request, caller)
    }

    /// The token, if handlers or an introspection endpoint need it later.
    #[inline(never)]
    fn caller_token(&self, verified: &Arc<Verified>, token: String) -> Option<CallerToken> {
        let is_needed = self.settings.keeps_token || self.is_asked_about(verified);
        is_needed.then(|| CallerToken::of(verified, token))
    }

    /// Verifies the transaction token of a caller, if the layer takes them.
    #[inline(always)] // a call would copy the caller once more in each request
    fn check_transaction<B>(&self, request: &mut Request<B>, caller: VerifiedCaller) -> Result<Admission, Refusal> {
        match &self.settings.transactions {
            None => Ok(self.admit(request, caller, None)),
            Some(transactions) => self.read_transaction(request, transactions, caller),
        }
    }

    #[inline(never)]
    fn read_transaction<B>(
        &self,
        request: &mut Request<B>,
        transactions: &Transactions,
        caller: VerifiedCaller,
    ) -> Result<Admission, Refusal> {
        let token = match transaction::read(request.headers()) {
            TxnHeader::One(token) => token,
            TxnHeader::Absent if transactions.is_required => return Err(self.no_transaction(&caller.verified)),
            TxnHeader::Absent => return Ok(self.admit(request, caller, None)),
            TxnHeader::Malformed(reason) => return Err(self.malformed_transaction(reason)),
        };
        let step = match cached_transaction(&transactions.verifier, token) {
            Ok(transaction) => TransactionStep::Done(Ok(transaction)),
            Err(uncached) if credential::is_b64token(token) => uncached.verify_with_cached_keys(),
            Err(_) => return Err(self.malformed_transaction("the Txn-Token header is not a single token")),
        };
        match step {
            TransactionStep::Done(Ok(transaction)) => Ok(self.admit(request, caller, Some(transaction))),
            TransactionStep::Done(Err(error)) => Err(self.refused_transaction(error)),
            TransactionStep::NeedsKeys(keys) => {
                let suspended = SuspendedTransaction { caller, span: keys.span() };
                Ok(Admission::Await(Box::pin(
                    async move { Resumption::Transaction(refreshed(&keys).await, suspended) },
                )))
            }
        }
    }

    /// Continues after the key source of transaction tokens has answered.
    fn resume_with_transaction<B>(
        &self,
        request: &mut Request<B>,
        SuspendedTransaction { caller, span }: SuspendedTransaction,
        outcome: &RefreshOutcome,
    ) -> Result<Admission, Refusal> {
        match (&self.settings.transactions, transaction::read(request.headers())) {
            (Some(transactions), TxnHeader::One(token)) => {
                let verified = verify_transaction_after_refresh(&transactions.verifier, token, &span, outcome);
                let transaction = verified.map_err(|error| self.refused_transaction(error))?;
                Ok(self.admit(request, caller, Some(transaction)))
            }
            _ => Err(self.malformed_transaction("the Txn-Token header changed while the request waited")),
        }
    }

    /// A transaction token is no proof of who sends it, so its sender stays anonymous.
    fn refuse_lone_transaction<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        if self.settings.transactions.is_none() || matches!(transaction::read(request.headers()), TxnHeader::Absent) {
            return Ok(());
        }
        self.log_bad_credential("no_token", "a Txn-Token without a token of its sender");
        Err(Refusal::NoToken)
    }

    #[inline(always)] // as above
    fn admit<B>(
        &self,
        request: &mut Request<B>,
        VerifiedCaller { verified, token }: VerifiedCaller,
        transaction: Option<TransactionToken>,
    ) -> Admission {
        telemetry::authenticated(&verified, transaction.as_ref(), self.context.subjects.as_ref());
        self.settings.locations.hide_token(request);
        if transaction.is_some() {
            transaction::hide(request.headers_mut());
        }
        let is_asked = self.is_asked_about(&verified);
        let asked = is_asked.then(|| AskedAbout::of(token.as_ref(), request.headers())).flatten().map(Box::new);
        if let Some(token) = token.filter(|_| self.settings.keeps_token) {
            request.extensions_mut().insert(token);
        }
        Admission::Forward(self.record(request, Some(verified), transaction, asked))
    }

    /// Returns whether an introspection endpoint was asked about the token, and will be again if a response runs for long.
    fn is_asked_about(&self, verified: &Verified) -> bool {
        let introspection = self.context.introspection.as_ref();
        introspection.is_some_and(|it| verified.token_kind() == CredentialKind::Opaque || it.also_asks(verified))
    }

    #[inline(never)]
    fn admit_anonymous<B>(&self, request: &Request<B>) -> Admission {
        Admission::Forward(self.record(request, None, None, None))
    }

    /// The record of the caller, for the extensions of the request.
    #[inline(always)] // as above
    fn record<B>(
        &self,
        request: &Request<B>,
        verified: Option<Arc<Verified>>,
        transaction: Option<TransactionToken>,
        asked: Option<Box<AskedAbout>>,
    ) -> Authenticated {
        let form = AnswerForm::from_extensions(request.extensions());
        if let Some(trail) = self.context.trail(request.extensions()) {
            trail.admitted(verified.as_ref(), transaction.as_ref());
        }
        let (context, compared) = (Arc::clone(&self.context), Vec::new());
        Authenticated {
            verified,
            transaction,
            asked,
            refusal: None,
            context,
            form,
            compared,
            #[cfg(feature = "axum")]
            passed: None,
        }
    }

    #[cold]
    fn invalid_request(&self, reason: &'static str) -> Refusal {
        self.log_bad_credential("invalid_request", reason);
        Refusal::InvalidRequest
    }

    #[cold]
    fn cross_site(&self, reason: &'static str) -> Refusal {
        self.log_bad_credential("forbidden", reason);
        Refusal::Denied(Denial::Forbidden)
    }

    /// The proof, if it was made for this token, which may be a verified one.
    #[inline(never)]
    fn proof_for(
        &self,
        read: Option<ReadProof>,
        token: &str,
        verified: Option<&Verified>,
    ) -> Result<Option<Box<DpopProof>>, Refusal> {
        let Some((read, checker)) = read.zip(self.settings.dpop.as_ref()) else { return Ok(None) };
        read.for_token(token, verified).map(Some).map_err(|error| self.refused_read(checker, error, token))
    }

    /// A proof was refused before the form of its token was checked, of which the answer then tells.
    #[cold]
    fn refused_read(&self, checker: &ProofChecker, error: ProofError, token: &str) -> Refusal {
        match credential::is_b64token(token) {
            true => self.refused_proof(checker, error),
            false => self.invalid_request("the credential is not a single token"),
        }
    }

    #[cold]
    fn refused_proof(&self, checker: &ProofChecker, error: ProofError) -> Refusal {
        telemetry::refused_proof(&error, &self.context.samples, self.context.clock.elapsed());
        Refusal::Proof { error, nonce: checker.nonce(self.context.clock.now()) }
    }

    #[cold]
    fn refused_transaction(&self, error: VerifyError) -> Refusal {
        telemetry::refused_transaction(&error, &self.context.samples, self.context.clock.elapsed());
        Refusal::Transaction(error)
    }

    #[cold]
    fn malformed_transaction(&self, reason: &'static str) -> Refusal {
        self.log_bad_credential("malformed_transaction_token", reason);
        Refusal::MalformedTransaction
    }

    #[cold]
    fn no_transaction(&self, caller: &Verified) -> Refusal {
        telemetry::no_transaction(caller, &self.context.samples, self.context.clock.elapsed());
        Refusal::NoTransaction
    }

    #[cold]
    fn refused(&self, error: VerifyError) -> Refusal {
        telemetry::refused(&error, &self.context.samples, self.context.clock.elapsed());
        Refusal::Token(error)
    }

    /// A layer before this one verified the same request.
    #[cold]
    fn log_second_layer(&self, accepted_by: &str) {
        let trusted = self.verifier.issuers();
        telemetry::second_layer(accepted_by, trusted, &self.context.samples, self.context.clock.elapsed());
    }

    fn log_bad_credential(&self, code: &'static str, reason: &'static str) {
        telemetry::bad_credential(code, reason, &self.context.samples, self.context.clock.elapsed());
    }
}

/// Removes the record that a layer before this one left, with the token that it kept.
#[inline(never)]
fn take_record(extensions: &mut Extensions) -> Option<Authenticated> {
    extensions.remove::<CallerToken>();
    extensions.remove()
}

/// The answer to a request for the document of the layer.
#[inline(never)]
fn document<B>(metadata: &ResourceMetadata, request: &Request<B>) -> Option<Response<Bytes>> {
    metadata.respond(request.method(), requested_uri(request)?)
}

#[cold]
fn await_keys(keys: NeedsKeys, token: &str, before: Option<Authenticated>, sender: Sender) -> Admission {
    let before = before.and_then(|before| before.verified);
    let suspended = SuspendedToken { token: token.to_owned(), span: keys.span(), before, sender };
    Admission::Await(Box::pin(async move { Resumption::Keys(refreshed(&keys).await, suspended) }))
}

/// The answer of a key source, within the longest wait of a request.
async fn refreshed(keys: &NeedsKeys) -> RefreshOutcome {
    let timed_out = RefreshOutcome::Unavailable { retry_after: RETRY_AFTER };
    rt::within(MAX_KEY_WAIT, keys.refresh()).await.unwrap_or(timed_out)
}
