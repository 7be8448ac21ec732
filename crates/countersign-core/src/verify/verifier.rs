//! The verifier, with every step of a verification on one screen.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use smallvec::SmallVec;

use super::CACHE_MAX_AGE;
use super::binding::Possession;
use super::needs_keys::{Lack, NeedsKeys, Pending};
use super::revision::{Current, InForce, Revision};
use super::rules::{self, Case};
use super::shadow_slot::ShadowSlot;
use super::signature::Signed;
use super::span::VerificationSpan;
use super::verified::Verified;
use crate::cache::TokenCache;
use crate::clock::{Clock, UnixTime};
use crate::counter::Counter;
use crate::error::{ConfigError, VerifyError, VerifyErrorKind as Kind};
use crate::key::{CurrentKeys, Lookup, RefreshOutcome, VerifyingKey};
use crate::policy::spiffe::trust_domain_id;
use crate::policy::{CanonicalPolicy, Fingerprint, IssuerLookup, ResolvedIssuer, TrustedIssuer};
use crate::token::{Compact, Header, Payload, Unverified};

/// Verifies tokens of the issuers that it trusts. Cheap to clone; build one per process.
///
/// ```
/// use std::sync::Arc;
/// use countersign_core::{key::{KeySet, StaticKeys}, policy::NeedsAudience, verify::Verifier};
///
/// # async fn example(jwks: &[u8], token: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let keys = StaticKeys::from_set(KeySet::from_jwks(jwks)?);
/// let issuer = NeedsAudience::new("https://id.example.com", Arc::new(keys)).audience("orders");
/// let verifier = Verifier::new(issuer)?;
/// println!("hello, {}", verifier.verify(token).await?.subject());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Verifier(pub(super) Arc<Shared>);

/// All clones of a verifier share it.
pub(super) struct Shared {
    pub(super) current: Current,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) counts: Counts,
    /// The fault of the last policy that was refused, if the one in force is older.
    pub(super) policy_error: ArcSwapOption<ConfigError>,
    pub(super) shadow: ShadowSlot,
}

pub(super) struct Counts {
    verified: Counter,
    from_cache: Counter,
    /// By kind, in the order of [`Kind::ALL`].
    refused: [AtomicU64; Kind::ALL.len()],
}

impl Default for Counts {
    fn default() -> Self {
        // The derived form covers arrays of up to 32 entries.
        let refused = [const { AtomicU64::new(0) }; Kind::ALL.len()];
        Counts { verified: Counter::default(), from_cache: Counter::default(), refused }
    }
}

impl Counts {
    fn of(&self, kind: Kind) -> u64 {
        self.refused.get(kind as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

/// The numbers of tokens by result since the verifier was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerificationStats {
    /// Accepted after a signature check.
    pub verified: u64,
    /// Accepted because the same token had been verified before.
    pub from_cache: u64,
    /// Refused.
    pub refused: u64,
    /// Not decided, because keys or an introspection endpoint were unavailable.
    pub undecided: u64,
}

/// The issuer that a token names: configured, or resolved at run time.
pub(super) enum TokenIssuer<'v> {
    Configured(&'v Arc<TrustedIssuer>),
    Resolved(Arc<ResolvedIssuer>),
}

impl TokenIssuer<'_> {
    pub(super) fn issuer(&self) -> &Arc<TrustedIssuer> {
        match self {
            TokenIssuer::Configured(issuer) => issuer,
            TokenIssuer::Resolved(found) => found.issuer(),
        }
    }

    /// The claims that its rules and mapping read; `configured` are those of the configured issuers.
    pub(super) fn claim_names<'n>(&'n self, configured: &'n [Box<str>]) -> &'n [Box<str>] {
        match self {
            TokenIssuer::Configured(_) => configured,
            TokenIssuer::Resolved(found) => found.claim_names(),
        }
    }
}

/// The result of verifying a token with the cached keys.
#[derive(Debug)]
pub enum Step {
    /// The token is accepted or refused.
    Done(Result<Arc<Verified>, VerifyError>),
    /// The issuer is trusted, and no rule refuses the token, but its key is not cached.
    NeedsKeys(NeedsKeys),
}

/// A token that is not cached, with the clock readings of the lookup; returned by [`Verifier::cached`].
#[must_use]
pub struct Uncached<'v> {
    verifier: &'v Verifier,
    revision: InForce<'v>,
    token: &'v str,
    now: UnixTime,
    elapsed: Duration,
    /// The proven possession of the sender.
    possession: &'v Possession,
    /// The time at which the token was put into a queue, if its times count then. It is not cached.
    enqueued_at: Option<UnixTime>,
}

impl<'v> Uncached<'v> {
    /// A token that was put into a queue at this time.
    pub(super) fn enqueued(verifier: &'v Verifier, token: &'v str, enqueued_at: UnixTime) -> Self {
        let clock = &verifier.0.clock;
        let (now, elapsed) = (clock.now(), clock.elapsed());
        let revision = verifier.0.current.load();
        let possession = &Possession::NONE;
        Uncached { verifier, revision, token, now, elapsed, possession, enqueued_at: Some(enqueued_at) }
    }
}

impl Uncached<'_> {
    /// Verifies the token with the cached keys; never waits.
    #[must_use]
    pub fn verify_with_cached_keys(self) -> Step {
        let Uncached { verifier, token, possession, enqueued_at, .. } = self;
        let step = verifier.step(|| verifier.run(self));
        if let (Step::Done(decision), None) = (&step, enqueued_at) {
            verifier.0.shadow.compare(decision, token, possession);
        }
        step
    }
}

/// Omits the token.
impl fmt::Debug for Uncached<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Uncached")
    }
}

/// The current keys of `issuer`, if they may still be used.
pub(super) fn usable_keys<'h>(
    issuer: &TrustedIssuer,
    current: Option<&'h Arc<CurrentKeys>>,
    elapsed: Duration,
) -> Result<&'h CurrentKeys, Pending> {
    current
        .map(AsRef::as_ref)
        .filter(|keys| keys.is_usable(elapsed))
        .ok_or_else(|| Pending::needs(issuer, Lack::UsableKeys, None))
}

/// The keys that may have signed a token with this header: one, or up to four of the same `kid`.
pub(super) fn keys_for<'h>(
    issuer: &TrustedIssuer,
    current: &'h CurrentKeys,
    header: &Header,
    danger_denied: bool,
) -> Result<SmallVec<[&'h Arc<VerifyingKey>; 1]>, Pending> {
    let refused = |kind, detail: &'static str| Err(VerifyError::new(kind, detail).into());
    let Some(algorithm) = header.algorithm else {
        return refused(Kind::AlgorithmNotAllowed, "alg is not a supported algorithm");
    };
    match current.set.find(header.key_id.as_deref(), algorithm, issuer.unlabelled_rsa) {
        Lookup::Found(keys) if danger_denied && keys.iter().any(|key| key.is_for_tests()) => {
            refused(Kind::UnknownKey, "the key is a test key, and deny_danger forbids those")
        }
        Lookup::Found(keys) => Ok(keys),
        Lookup::Missing => Err(Pending::needs(issuer, Lack::Key, header.key_id.as_deref())),
        Lookup::Ambiguous => refused(Kind::UnknownKey, "the token has no kid, and several keys fit"),
        Lookup::OtherAlgorithm { is_confusion: true } => {
            refused(Kind::KeyMismatch, "alg is symmetric, and the key of this kid is a public key")
        }
        Lookup::OtherAlgorithm { is_confusion: false } => {
            Err(Pending::needs(issuer, Lack::KeyFor(algorithm), header.key_id.as_deref()))
        }
    }
}

/// The identifier of a transaction, whose token passed the rules.
#[cold]
fn transaction_id(payload: &Payload, claim_names: &[Box<str>]) -> Option<Box<str>> {
    payload.captured(claim_names, "txn").and_then(|json| serde_json::from_str(json).ok())
}

/// Marks an error about times if the token is signed, so that only its owner learns it.
///
/// The signature is checked only for this, and only with cached keys; the token stays refused in any case.
#[cold]
fn mark_if_signed(
    error: VerifyError,
    issuer: &TrustedIssuer,
    token: Unverified<'_>,
    elapsed: Duration,
    danger_denied: bool,
) -> VerifyError {
    if !matches!(error.kind(), Kind::Expired | Kind::NotYetValid | Kind::IssuedInFuture) {
        return error;
    }
    let current = issuer.keys.cell().load();
    let Ok(current) = usable_keys(issuer, current.as_ref(), elapsed) else { return error };
    let Ok(keys) = keys_for(issuer, current, &token.header, danger_denied) else { return error };
    match Signed::check(token, &keys) {
        Ok(_) => error.after_signature(),
        Err(_) => error,
    }
}

impl Revision {
    /// The error for an unknown issuer. It reports a difference only in the last slash, the most common mistake.
    fn unknown_issuer(&self, name: &str) -> VerifyError {
        let trimmed = name.trim_end_matches('/');
        let near = self.issuers.keys().find(|known| known.trim_end_matches('/') == trimmed);
        match near {
            Some(known) => {
                VerifyError::mismatch(Kind::UnknownIssuer, "iss differs only in its last slash", known, name)
            }
            None => VerifyError::mismatch(Kind::UnknownIssuer, "iss", &self.trusted(), name),
        }
    }

    /// The trusted issuers in words, for the log.
    fn trusted(&self) -> String {
        format!("a trusted issuer ({})", self.trusted_names)
    }

    /// The trust domain that issued a token without `iss`: `sub` is then the SPIFFE ID of a workload (JWT-SVID §3). Of
    /// transaction tokens it is the one whose service is trusted.
    #[inline(never)]
    fn trust_domain_of(&self, payload: &Payload) -> Result<&Arc<TrustedIssuer>, VerifyError> {
        if let Some(service) = &self.transactions {
            return Ok(service);
        }
        let subject = payload.subject.map_or("", |text| payload.text(text));
        let Some(name) = trust_domain_id(subject) else {
            return Err(VerifyError::new(
                Kind::MissingClaim,
                "iss is absent; have the issuer write it into every token: only the SPIFFE ID of a workload may replace it",
            ));
        };
        self.issuers.get(name).ok_or_else(|| {
            VerifyError::mismatch(Kind::UnknownIssuer, "the trust domain of sub (iss is absent)", &self.trusted(), name)
        })
    }

    /// Returns whether the source of a resolved issuer still returns the same issuer. Records its use.
    pub(super) fn is_still_trusted(&self, verified: &Verified, elapsed: Duration) -> bool {
        let issuer = verified.trusted_issuer();
        if !issuer.is_resolved {
            return true;
        }
        match self.resolved.as_ref().map(|source| source.lookup(issuer.issuer())) {
            Some(IssuerLookup::Trusted(found)) if Arc::ptr_eq(found.issuer(), issuer) => {
                found.record_use(elapsed);
                true
            }
            _ => false,
        }
    }

    fn insert(&self, verified: &Arc<Verified>, elapsed: Duration) {
        if let Some((cache, token)) = self.cache.as_ref().zip(verified.token()) {
            let ends_at = elapsed.saturating_add(CACHE_MAX_AGE);
            cache.insert(token, Arc::clone(verified), verified.heap_bytes(), ends_at);
        }
    }
}

impl Verifier {
    /// Checks a compact JWS (no `Bearer `, no spaces around it).
    ///
    /// Waits only if the token's key is not cached, and then within the limits of its key source.
    ///
    /// # Errors
    /// Every kind of [`VerifyErrorKind`](crate::error::VerifyErrorKind).
    pub async fn verify(&self, token: &str) -> Result<Arc<Verified>, VerifyError> {
        self.verify_with(token, &Possession::NONE).await
    }

    /// As [`verify`](Self::verify), for a sender who has proven this.
    pub(super) async fn verify_with(&self, token: &str, sender: &Possession) -> Result<Arc<Verified>, VerifyError> {
        match self.cached_with(token, sender).map_or_else(Uncached::verify_with_cached_keys, |it| Step::Done(Ok(it))) {
            Step::Done(result) => result,
            Step::NeedsKeys(keys) => {
                let outcome = keys.refresh().await;
                keys.span().finish(|| self.verify_after_refresh_with(token, sender, &outcome))
            }
        }
    }

    /// Returns the cached result if this exact token is cached and still valid.
    ///
    /// A cached token consists of base64url and dots, so a caller need not check its characters again. It can do so before
    /// it verifies an [`Uncached`] token, which needs no second lookup.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use countersign_core::{key::StaticKeys, policy::NeedsAudience, verify::Verifier};
    ///
    /// let issuer = NeedsAudience::new("https://id.example.com", Arc::new(StaticKeys::new([]))).audience("orders");
    /// let verifier = Verifier::new(issuer)?;
    /// assert!(verifier.cached("a token never seen").is_err());
    /// # Ok::<(), countersign_core::error::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// The token, if it is not cached.
    pub fn cached<'v>(&'v self, token: &'v str) -> Result<Arc<Verified>, Uncached<'v>> {
        self.cached_with(token, &Possession::NONE)
    }

    /// As [`cached`](Self::cached), for a sender who has proven this: only so can a token that is bound to a key or certificate
    /// be accepted.
    ///
    /// # Errors
    /// The token, if it is not cached, or if its sender lacks what it is bound to.
    pub fn cached_with<'v>(&'v self, token: &'v str, sender: &'v Possession) -> Result<Arc<Verified>, Uncached<'v>> {
        let (now, elapsed) = (self.0.clock.now(), self.0.clock.elapsed());
        let revision = self.0.current.load();
        match self.lookup(&revision, token, sender, now, elapsed) {
            Some(verified) => {
                self.0.shadow.compare_cached(&verified, token, sender);
                Ok(verified)
            }
            None => {
                let (verifier, possession) = (self, sender);
                Err(Uncached { verifier, revision, token, now, elapsed, possession, enqueued_at: None })
            }
        }
    }

    /// Verifies a token with the keys that are cached; never waits.
    #[must_use]
    pub fn verify_with_cached_keys(&self, token: &str) -> Step {
        self.cached(token).map_or_else(Uncached::verify_with_cached_keys, |verified| Step::Done(Ok(verified)))
    }

    /// Verifies a token after its key source has answered.
    ///
    /// `outcome` separates a key missing from a set that was fetched for this token (401) from a set that could not be
    /// fetched, or not yet (503).
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_after_refresh(&self, token: &str, outcome: &RefreshOutcome) -> Result<Arc<Verified>, VerifyError> {
        self.verify_after_refresh_with(token, &Possession::NONE, outcome)
    }

    /// As [`verify_after_refresh`](Self::verify_after_refresh), for a sender who has proven this.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_after_refresh_with(
        &self,
        token: &str,
        sender: &Possession,
        outcome: &RefreshOutcome,
    ) -> Result<Arc<Verified>, VerifyError> {
        let verify = |uncached: Uncached<'_>| self.run(uncached);
        let decision = self.cached_with(token, sender).or_else(verify);
        let decision = decision.map_err(|pending| self.refuse(pending.after(outcome)));
        self.0.shadow.compare(&decision, token, sender);
        decision
    }

    /// The steps of a verification, in order.
    pub(super) fn run(
        &self,
        Uncached { revision, token, now, elapsed, possession, enqueued_at, .. }: Uncached<'_>,
    ) -> Result<Arc<Verified>, Pending> {
        let verified = self.run_under(&revision, token, possession, (now, elapsed), enqueued_at);
        verified.map_err(|pending| pending.marked(|| revision.mark()))
    }

    /// The same under one revision, from the first step to the last.
    #[inline]
    fn run_under(
        &self,
        inner: &Revision,
        token: &str,
        possession: &Possession,
        (now, elapsed): (UnixTime, Duration),
        enqueued_at: Option<UnixTime>,
    ) -> Result<Arc<Verified>, Pending> {
        let compact = Compact::split(token, inner.max_token_bytes)?;
        let (header, is_new) = inner.headers.read(compact.header)?;
        let mut payload = Payload::decode(compact.payload, &inner.claim_names)?;
        let token_issuer = self.issuer_of(inner, &payload, Some(&header))?;
        let (issuer, claim_names) = (token_issuer.issuer(), token_issuer.claim_names(&inner.claim_names));
        if *claim_names != *inner.claim_names {
            payload = payload.read_again(claim_names)?;
        }
        let reserved_subjects = &inner.reserved_subjects;
        let token_type = &header.token_type;
        let valid_at = enqueued_at.unwrap_or(now);
        let case =
            Case { payload: &payload, token_type, issuer, claim_names, reserved_subjects, possession, now, valid_at };
        if let Err(error) = rules::check(&header, &case) {
            let token = Unverified { compact, header, payload };
            return Err(mark_if_signed(error, issuer, token, elapsed, inner.danger_denied).into());
        }
        let current = issuer.keys.cell().load();
        let current = usable_keys(issuer, current.as_ref(), elapsed)?;
        let keys = keys_for(issuer, current, &header, inner.danger_denied)?;
        let new_header = is_new.then(|| header.clone());
        let signed = Signed::check(Unverified { compact, header, payload }, &keys)?;
        if let TokenIssuer::Resolved(found) = &token_issuer {
            found.record_use(elapsed);
        }
        let payload = &signed.token.payload;
        let mut caller = inner.names.read(issuer, payload, claim_names).map_err(VerifyError::after_signature)?;
        caller.configured_claims = issuer.is_resolved.then(|| Arc::clone(&inner.identity_claims));
        caller.transaction = issuer.transactions.and_then(|_| transaction_id(payload, claim_names));
        let budget = inner.decoded.clone();
        let verified =
            Verified::new(token, &signed, caller, Arc::clone(issuer), current.epoch, budget, Arc::clone(&self.0.clock));
        self.0.counts.verified.increment();
        if let Some(header) = new_header {
            inner.headers.insert(compact.header, header);
        }
        if enqueued_at.is_none() {
            inner.insert(&verified, elapsed);
        }
        Ok(verified)
    }

    /// Verifies with the cached keys by `run`, in a span if a subscriber is interested. Counts a refusal.
    #[inline]
    pub(super) fn step(&self, run: impl FnOnce() -> Result<Arc<Verified>, Pending>) -> Step {
        let step = || match run() {
            Ok(verified) => Step::Done(Ok(verified)),
            Err(Pending::Refused(error)) => Step::Done(Err(self.refuse(error))),
            Err(Pending::NeedsKeys(keys)) => Step::NeedsKeys(keys),
        };
        match VerificationSpan::begin() {
            None => step(),
            Some(span) => match span.run(step) {
                Step::Done(result) => Step::Done(span.finish(|| result)),
                Step::NeedsKeys(keys) => Step::NeedsKeys(keys.within(span)),
            },
        }
    }

    /// Finds the issuer by an exact match on `iss`: among the configured issuers, then with the source of others. Without `iss`,
    /// only a configured trust domain is the issuer of its own workloads.
    #[inline(always)]
    pub(super) fn issuer_of<'r>(
        &self,
        revision: &'r Revision,
        payload: &Payload,
        header: Option<&Header>,
    ) -> Result<TokenIssuer<'r>, Pending> {
        let Some(name) = payload.issuer.map(|issuer| payload.text(issuer)) else {
            return Ok(TokenIssuer::Configured(revision.trust_domain_of(payload)?));
        };
        if let Some(issuer) = revision.issuers.get(name) {
            return Ok(TokenIssuer::Configured(issuer));
        }
        let Some(source) = &revision.resolved else { return Err(revision.unknown_issuer(name).into()) };
        match source.lookup(name) {
            IssuerLookup::Trusted(found) if found.issuer().issuer() != name => {
                Err(revision.unknown_issuer(name).into())
            }
            IssuerLookup::Trusted(found) if revision.danger_denied && found.is_weakened() => {
                let detail = "the issuer uses a weakening, and deny_danger forbids it";
                Err(VerifyError::new(Kind::UnknownIssuer, detail).into())
            }
            IssuerLookup::Trusted(found) => {
                revision.names.admit(&found, &**source)?;
                Ok(TokenIssuer::Resolved(found))
            }
            IssuerLookup::NotTrusted => Err(revision.unknown_issuer(name).into()),
            IssuerLookup::Unknown => {
                let clock = Arc::clone(&self.0.clock);
                Err(Pending::NeedsKeys(NeedsKeys::from_resolver(Arc::clone(source), name, header, clock)))
            }
        }
    }

    /// The cached result, if its keys are still current; its times are checked again.
    fn lookup(
        &self,
        revision: &Revision,
        token: &str,
        sender: &Possession,
        now: UnixTime,
        elapsed: Duration,
    ) -> Option<Arc<Verified>> {
        let cache = revision.cache.as_ref()?;
        let verified = cache.get(token, elapsed)?;
        if !sender.meets(verified.binding()) {
            return None;
        }
        let current = verified.trusted_issuer().keys.cell().load();
        let has_current_keys =
            current.as_ref().is_some_and(|keys| keys.epoch == verified.epoch && keys.is_usable(elapsed));
        if !has_current_keys || !verified.is_timely(now) || !revision.is_still_trusted(&verified, elapsed) {
            cache.remove(token, &verified);
            return None;
        }
        self.0.counts.from_cache.increment();
        Some(verified)
    }

    pub(super) fn refuse(&self, error: VerifyError) -> VerifyError {
        if let Some(count) = self.0.counts.refused.get(error.kind() as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        error
    }

    /// The configured issuers, in no order.
    pub fn issuers(&self) -> impl Iterator<Item = Arc<TrustedIssuer>> + use<> {
        self.0.current.load().issuers.values().map(Arc::clone).collect::<Vec<_>>().into_iter()
    }

    /// A digest of all rules of all issuers. Services with equal digests and keys accept the same tokens.
    ///
    /// It is computed once for each policy.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.current.load().fingerprint()
    }

    /// The rules of which [`fingerprint`](Self::fingerprint) is a digest, field by field.
    #[must_use]
    pub fn canonical_policy(&self) -> CanonicalPolicy {
        self.0.current.load().canonical_policy()
    }

    /// The time since which the policy is in force.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use countersign_core::{key::StaticKeys, policy::NeedsAudience, verify::Verifier};
    ///
    /// let issuer = NeedsAudience::new("https://id.example.com", Arc::new(StaticKeys::new([]))).audience("orders");
    /// let verifier = Verifier::new(issuer)?;
    /// assert!(verifier.policy_since() <= verifier.clock().now());
    /// # Ok::<(), countersign_core::error::ConfigError>(())
    /// ```
    #[must_use]
    pub fn policy_since(&self) -> UnixTime {
        self.0.current.load().since
    }

    /// The checks of its configured issuers that are weakened, each with the issuer, sorted.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use countersign_core::{key::StaticKeys, policy::{NeedsAudience, danger}, verify::Verifier};
    ///
    /// let issuer = NeedsAudience::new("https://id.example.com", Arc::new(StaticKeys::new([]))).audience("orders");
    /// let verifier = Verifier::new(danger::any_type(issuer))?;
    /// assert_eq!(verifier.weakenings(), ["https://id.example.com: tokens of any type are taken"]);
    /// # Ok::<(), countersign_core::error::ConfigError>(())
    /// ```
    #[must_use]
    pub fn weakenings(&self) -> Vec<String> {
        let weak = |issuer: Arc<TrustedIssuer>| {
            issuer.weakenings().map(|weakening| format!("{}: {weakening}", issuer.issuer())).collect::<Vec<_>>()
        };
        let mut weakenings: Vec<String> = self.issuers().flat_map(weak).collect();
        weakenings.sort();
        weakenings
    }

    /// The clock of this verifier.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// Returns whether it [forbids every weakening](super::VerifierBuilder::deny_danger); layers around it observe that.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use countersign_core::{key::StaticKeys, policy::NeedsAudience, verify::Verifier};
    ///
    /// let issuer = NeedsAudience::new("https://id.example.com", Arc::new(StaticKeys::new([]))).audience("orders");
    /// let verifier = Verifier::builder().deny_danger().trust(issuer).build()?;
    /// assert!(verifier.denies_danger());
    /// # Ok::<(), countersign_core::error::ConfigError>(())
    /// ```
    #[must_use]
    pub fn denies_danger(&self) -> bool {
        self.0.current.load().danger_denied
    }

    /// The counts since it was built.
    #[must_use]
    pub fn stats(&self) -> VerificationStats {
        let counts = &self.0.counts;
        let sum = |unavailable| {
            let kinds = Kind::ALL.iter().filter(|kind| kind.is_unavailable() == unavailable);
            kinds.map(|kind| counts.of(*kind)).sum()
        };
        VerificationStats {
            verified: counts.verified.sum(),
            from_cache: counts.from_cache.sum(),
            refused: sum(false),
            undecided: sum(true),
        }
    }

    /// The exact number of tokens that were refused or not decided for this reason.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use countersign_core::error::VerifyErrorKind;
    /// use countersign_core::{key::StaticKeys, policy::NeedsAudience, verify::Verifier};
    ///
    /// let issuer = NeedsAudience::new("https://id.example.com", Arc::new(StaticKeys::new([]))).audience("orders");
    /// let verifier = Verifier::new(issuer)?;
    /// let _ = verifier.verify_with_cached_keys("abc");
    /// assert_eq!(verifier.refused(VerifyErrorKind::Malformed), 1);
    /// # Ok::<(), countersign_core::error::ConfigError>(())
    /// ```
    #[must_use]
    pub fn refused(&self, kind: Kind) -> u64 {
        self.0.counts.of(kind)
    }

    /// The number of verified tokens in the cache.
    #[must_use]
    pub fn cached_tokens(&self) -> usize {
        self.0.current.load().cache.as_ref().map_or(0, TokenCache::len)
    }
}

impl Verifier {
    pub(super) fn from_parts(current: Current, clock: Arc<dyn Clock>) -> Self {
        Verifier(Arc::new(Shared {
            current,
            clock,
            counts: Counts::default(),
            policy_error: ArcSwapOption::empty(),
            shadow: ShadowSlot::default(),
        }))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers: Vec<String> = self.issuers().map(|issuer| issuer.issuer().to_owned()).collect();
        f.debug_struct("Verifier").field("issuers", &issuers).field("stats", &self.stats()).finish_non_exhaustive()
    }
}
