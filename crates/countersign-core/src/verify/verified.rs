//! The third proof type: a token that passed every check.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use serde::de::DeserializeOwned;

use super::binding::Binding;
use super::identifiers::Identifiers;
use super::rules::{is_early, is_expired};
use super::signature::Signed;
use crate::authz::requirement::facts::{Facts, RequestContext};
use crate::authz::{Decision, Explanation, Fact, Grants, Requirement};
use crate::cache::Share;
use crate::claims::typed::TokenClaims;
use crate::claims::{ClaimsError, DecodedBudget, FromClaims, Principal, TenantId, TypedClaims};
use crate::clock::{Clock, UnixTime};
use crate::digest::sha256;
use crate::key::{Algorithm, KeyLabel};
use crate::policy::{StatusListRules, TrustedIssuer};
use crate::redact::safe_text;
#[cfg(feature = "status-list")]
use crate::status::{StatusClaim, StatusReference};
use crate::token::{CredentialKind, Payload, StringClaim, Strings};

/// A token whose signature, issuer, audience, times and kind were checked. Only a verifier makes one.
//
// The order puts the fields that a cache hit reads into one cache line: among a million tokens, each line is a cache miss.
// They are apart from the reference counts before them, which every thread that uses the token writes.
#[repr(C)]
pub struct Verified {
    grants: Grants,
    strings: Strings,
    /// The token itself if a cache holds it: its other claims are decoded from it when they are asked for. Without a cache,
    /// `strings` has them.
    token: Option<Arc<str>>,
    typed: TypedClaims,
    /// Not the key itself: a cached token would keep the keys of a set in memory that was replaced.
    /// `None` if an authority vouches for the claims in place of a signature.
    key: Option<Arc<KeyLabel>>,
    /// The claims that the mappings of the configured issuers read, if the issuer is a resolved one.
    configured_claims: Option<Arc<Vec<Box<str>>>>,
    is_clients_own: bool,
    kind: CredentialKind,
    issued_at: Option<UnixTime>,
    not_before: Option<UnixTime>,
    expires: Option<UnixTime>,
    pub(super) epoch: u64,
    issuer: Arc<TrustedIssuer>,
    bound: Option<Box<Bound>>,
    clock: Arc<dyn Clock>,
    /// `txn`, if it is a transaction token.
    transaction: Option<Box<str>>,
    /// The digests by which lists of revocations find it.
    identifiers: Identifiers,
    /// The number of the shadow policy that was asked about the token last.
    compared_by: AtomicU64,
    /// The token that this one is a view of.
    origin: Option<Arc<Verified>>,
    /// Its place in a status list.
    #[cfg(feature = "status-list")]
    status: Option<Box<StatusClaim>>,
}

/// The part that only bound tokens have.
#[derive(Debug)]
struct Bound {
    binding: Binding,
    /// The SHA-256 of the token, which each proof for it names (`ath`).
    token_hash: OnceLock<[u8; 32]>,
    /// The caller in budgets, which each proof for it is counted with.
    caller_keys: OnceLock<[Option<u64>; 3]>,
}

impl Bound {
    fn new(binding: Binding) -> Box<Self> {
        Box::new(Bound { binding, token_hash: OnceLock::new(), caller_keys: OnceLock::new() })
    }
}

/// The caller as the issuer's mapping reads it.
pub(super) struct Caller<'t> {
    pub(super) grants: Grants,
    pub(super) client: Option<Cow<'t, str>>,
    /// True if the client got the token for itself.
    pub(super) is_clients_own: bool,
    /// The key or certificate that the token is bound to.
    pub(super) binding: Option<Box<Binding>>,
    /// The claims that the mappings of the configured issuers read, if the issuer is not one of them.
    pub(super) configured_claims: Option<Arc<Vec<Box<str>>>>,
    /// `txn`, if the token is a transaction token.
    pub(super) transaction: Option<Box<str>>,
}

impl Verified {
    /// A signed token that passed the rules of its issuer, with its authorities.
    pub(super) fn new(
        token: &str,
        signed: &Signed<'_>,
        Caller { grants, client, is_clients_own, binding, configured_claims, transaction }: Caller<'_>,
        issuer: Arc<TrustedIssuer>,
        epoch: u64,
        budget: Option<Arc<DecodedBudget>>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let payload = &signed.token.payload;
        Arc::new(Verified {
            grants,
            strings: Strings::new(payload, client.as_deref(), budget.is_none()),
            token: budget.is_some().then(|| token.into()),
            typed: TypedClaims::within(budget),
            not_before: payload.not_before,
            issued_at: payload.issued_at,
            expires: payload.expires,
            key: Some(Arc::clone(signed.key.label())),
            is_clients_own,
            kind: CredentialKind::Signed,
            configured_claims,
            epoch,
            issuer,
            bound: binding.map(|binding| Bound::new(*binding)),
            clock,
            transaction,
            identifiers: Identifiers::default(),
            compared_by: AtomicU64::new(0),
            origin: None,
            #[cfg(feature = "status-list")]
            status: status_of(payload),
        })
    }

    /// Claims that passed the rules of their issuer, for which an authority vouches.
    pub(super) fn vouched(
        kind: CredentialKind,
        payload: &Payload,
        Caller { grants, client, is_clients_own, binding, configured_claims, .. }: Caller<'_>,
        issuer: Arc<TrustedIssuer>,
        budget: Option<Arc<DecodedBudget>>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        Arc::new(Verified {
            grants,
            strings: Strings::new(payload, client.as_deref(), true),
            token: None,
            typed: TypedClaims::within(budget),
            not_before: payload.not_before,
            issued_at: payload.issued_at,
            expires: payload.expires,
            key: None,
            bound: binding.map(|binding| Bound::new(*binding)),
            is_clients_own,
            kind,
            configured_claims,
            epoch: 0,
            issuer,
            clock,
            transaction: None,
            identifiers: Identifiers::default(),
            compared_by: AtomicU64::new(0),
            origin: None,
            #[cfg(feature = "status-list")]
            status: status_of(payload),
        })
    }

    /// The token whose parts a view shares.
    #[inline]
    fn origin(&self) -> &Verified {
        self.origin.as_deref().unwrap_or(self)
    }

    /// The issuer (`iss`). With [`subject`](Self::subject) it is the identity; the subject alone is not.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.issuer.issuer()
    }

    /// The subject (`sub`); empty if it is absent and the profile permits that.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.origin().strings.get(StringClaim::Subject).unwrap_or_default()
    }

    /// The client that the token was issued to: `client_id`, or the claim that the issuer's mapping names.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.origin().strings.get(StringClaim::ClientId)
    }

    /// The token ID (`jti`).
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.origin().strings.get(StringClaim::TokenId)
    }

    /// The audiences (`aud`); at least one names this service, unless that check is disabled.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        self.origin().strings.audiences()
    }

    /// The subject of the outermost actor (`act.sub`), which acts for the subject (RFC 8693 §4.1). With
    /// [`actor_issuer`](Self::actor_issuer) it is the identity of the actor.
    #[must_use]
    pub fn actor(&self) -> Option<&str> {
        self.origin().strings.get(StringClaim::Actor)
    }

    /// The issuer of the outermost actor: the one that the token names (`act.iss`), or that of the token.
    ///
    /// The issuer of the token vouches for the name; the issuer of the actor need not be trusted.
    #[must_use]
    pub fn actor_issuer(&self) -> Option<&str> {
        self.actor().map(|_| self.origin().strings.get(StringClaim::ActorIssuer).unwrap_or_else(|| self.issuer()))
    }

    /// Returns whether the token states that its actor is elsewhere (`_claim_names` of OpenID Connect Core §5.6.2).
    ///
    /// [`actor`](Self::actor) is then incomplete: a party may act for the subject even if it returns `None`.
    #[must_use]
    pub fn is_actor_unknown(&self) -> bool {
        self.origin().grants.distributed.contains("act")
    }

    /// Returns whether the token states that a claim which names its client is elsewhere.
    ///
    /// [`client_id`](Self::client_id) is then incomplete: the token may be that of any client.
    #[must_use]
    pub fn is_client_unknown(&self) -> bool {
        self.origin().grants.unknown.contains(Fact::Client)
    }

    /// The party that the token speaks for. It is never a client if the [actor](Self::is_actor_unknown) or the
    /// [client](Self::is_client_unknown) is unknown.
    #[must_use]
    pub fn principal(&self) -> Principal<'_> {
        let actor = self.actor().zip(self.actor_issuer());
        let is_own = self.is_clients_own && !self.is_actor_unknown() && !self.is_client_unknown();
        Principal::new(self.subject(), self.client_id().unwrap_or_default(), actor, is_own)
    }

    /// The expiry (`exp`).
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires.unwrap_or_default() // required by every policy
    }

    /// The time of issue (`iat`).
    #[must_use]
    pub fn issued_at(&self) -> Option<UnixTime> {
        self.issued_at
    }

    /// The authentication context class (`acr`).
    #[must_use]
    pub fn authentication_context(&self) -> Option<&str> {
        self.origin().strings.get(StringClaim::AuthenticationContext)
    }

    /// The kind of credential that the caller brought. Everything else here is the same for all kinds.
    #[must_use]
    pub fn token_kind(&self) -> CredentialKind {
        self.kind
    }

    /// The `kid` of the key that verified it; `None` too if the credential is not a signed token.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.origin().key.as_ref()?.key_id()
    }

    /// Returns whether the key that verified it is one of tests or of development: its ID begins with `test-only-`.
    #[must_use]
    pub fn is_signed_by_test_key(&self) -> bool {
        self.origin().key.as_ref().is_some_and(|key| key.is_for_tests())
    }

    /// The algorithm of the key that verified it; `None` if the credential is not a signed token.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.origin().key.as_ref().map(|key| key.algorithm())
    }

    /// The key and certificate that the token is bound to; `None` if it is a bearer token.
    ///
    /// Its sender has proven to possess them: no layer passes a bound token on without.
    #[must_use]
    pub fn binding(&self) -> Option<&Binding> {
        self.origin().bound.as_deref().map(|bound| &bound.binding)
    }

    /// The SHA-256 of a bound token that a cache holds: computed once, for the proofs of all its requests.
    pub(crate) fn token_hash(&self) -> Option<&[u8; 32]> {
        let (bound, token) = self.origin().bound.as_deref().zip(self.origin().token.as_deref())?;
        Some(bound.token_hash.get_or_init(|| sha256(token)))
    }

    /// The keys of the caller of a bound token, once they are computed.
    pub(super) fn known_caller_keys(&self) -> Option<&OnceLock<[Option<u64>; 3]>> {
        self.origin().bound.as_deref().map(|bound| &bound.caller_keys)
    }

    /// Its place in a status list (`status.status_list`), if it states one of the right form.
    ///
    /// It is read once, when the token is verified. The list is not checked here.
    #[cfg(feature = "status-list")]
    #[must_use]
    #[inline]
    pub fn status_reference(&self) -> Option<&StatusReference> {
        match self.origin().status.as_deref() {
            Some(StatusClaim::Listed(reference)) => Some(reference),
            Some(StatusClaim::Malformed) | None => None,
        }
    }

    /// The rules for the status lists of its issuer, by the policy under which it was verified.
    #[must_use]
    #[inline]
    pub fn status_list_rules(&self) -> Option<&Arc<StatusListRules>> {
        self.issuer.status_lists.as_ref()
    }

    /// Returns whether it states a place in a status list that cannot be read.
    #[cfg(feature = "status-list")]
    #[must_use]
    pub fn has_malformed_status(&self) -> bool {
        self.origin().status.as_deref() == Some(&StatusClaim::Malformed)
    }

    /// The authorities of the caller by the issuer's mapping.
    #[must_use]
    pub fn grants(&self) -> &Grants {
        &self.origin().grants
    }

    /// The tenant, if the issuer's mapping names one.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantId> {
        self.origin().grants.tenant.as_ref()
    }

    /// The claims as the application's own type, decoded once per token and type.
    ///
    /// # Errors
    /// `ClaimsError` if they do not decode into `C`.
    pub fn claims<C: FromClaims>(&self) -> Result<Arc<C>, ClaimsError> {
        self.token_claims().decode()
    }

    /// Returns whether the token meets `requirement` now, outside a request, such as in a worker of a queue.
    ///
    /// A requirement that names the request's path, a header or its host is never met here.
    ///
    /// ```
    /// use countersign_core::authz::scope;
    /// use countersign_core::verify::Verified;
    ///
    /// fn may_export(token: &Verified) -> bool {
    ///     token.meets(&scope("orders:export"))
    /// }
    /// # let _ = may_export;
    /// ```
    #[must_use]
    pub fn meets(&self, requirement: &Requirement) -> bool {
        self.check(requirement, RequestContext::from_clock(&*self.clock)).is_allowed()
    }

    /// The parts of `requirement` that the token does not meet now, outside a request, and what its caller has of that kind.
    ///
    /// For logs of development and messages of tests: it contains names from the token, though no subject and no value of
    /// another claim.
    pub fn explain(&self, requirement: &Requirement) -> Explanation {
        self.explain_in(requirement, RequestContext::from_clock(&*self.clock))
    }

    /// As [`explain`](Self::explain), in `context`.
    pub fn explain_in(&self, requirement: &Requirement, context: RequestContext<'_>) -> Explanation {
        requirement.explain(&self.facts(context))
    }

    /// Checks `requirement` for this token in `context`.
    pub fn check(&self, requirement: &Requirement, context: RequestContext<'_>) -> Decision {
        requirement.check(&self.facts(context))
    }

    /// As [`check`](Self::check), for a request within this transaction.
    #[inline]
    pub(super) fn check_within(
        &self,
        requirement: &Requirement,
        context: RequestContext<'_>,
        transaction: Option<&Verified>,
    ) -> Decision {
        let Some(transaction) = transaction else { return self.check(requirement, context) };
        self.check(requirement, context.within(&transaction.facts(context)))
    }

    /// As [`explain_in`](Self::explain_in), for a request within this transaction.
    pub(super) fn explain_within(
        &self,
        requirement: &Requirement,
        context: RequestContext<'_>,
        transaction: Option<&Verified>,
    ) -> Explanation {
        let Some(transaction) = transaction else { return self.explain_in(requirement, context) };
        self.explain_in(requirement, context.within(&transaction.facts(context)))
    }

    /// Decodes the claims, and keeps nothing of it.
    pub(super) fn decode<C: DeserializeOwned>(&self) -> Result<C, ClaimsError> {
        self.token_claims().decode_once()
    }

    #[inline]
    fn facts<'f>(&'f self, context: RequestContext<'f>) -> Facts<'f> {
        Facts {
            grants: &self.origin().grants,
            subject: self.subject(),
            client: self.client_id().unwrap_or_default(),
            issuer: self.issuer(),
            actor: self.actor(),
            actor_issuer: self.origin().strings.get(StringClaim::ActorIssuer),
            has_several_issuers: !self.issuer.is_only_issuer,
            is_clients_own: self.is_clients_own,
            is_bound: self.origin().bound.is_some(),
            token_kind: self.kind,
            maps_tenant: self.issuer.authorities.maps_tenant(),
            issuer_in_force: None,
            identity_claims: [
                self.issuer.identity_claims.as_slice(),
                self.origin().configured_claims.as_ref().map_or(&[], |names| names.as_slice()),
            ],
            acr: self.authentication_context(),
            claims: self.token_claims(),
            context,
        }
    }

    fn token_claims(&self) -> TokenClaims<'_> {
        match &self.origin().token {
            Some(token) => TokenClaims::from_token(token, &self.origin().typed),
            None => TokenClaims::new(self.origin().strings.json(), &self.origin().typed),
        }
    }

    /// Returns whether the token is within its times at `now`, by the issuer's leeway. Called at every cache hit.
    pub(super) fn is_timely(&self, now: UnixTime) -> bool {
        let leeway = self.issuer.leeway;
        let early = self.not_before.is_some_and(|at| is_early(at, leeway, now));
        let aged = self.issuer.max_age.zip(self.issued_at);
        let too_old = aged.is_some_and(|(age, issued)| now > issued.saturating_add(age).saturating_add(leeway));
        !is_expired(self.expires_at(), leeway, now) && !early && !too_old
    }

    /// Returns whether it is the same caller with the same authorities as `other`.
    pub(super) fn has_authorities_of(&self, other: &Verified) -> bool {
        self.origin().grants == other.origin().grants
            && self.client_id() == other.client_id()
            && self.is_clients_own == other.is_clients_own
            && self.binding() == other.binding()
            && self.issuer.is_only_issuer == other.issuer.is_only_issuer
    }

    /// The identifier of the transaction (`txn`), if this is a transaction token.
    pub(super) fn transaction_id(&self) -> Option<&str> {
        self.origin().transaction.as_deref()
    }

    /// The name of the key that signed the token; `None` if an authority vouches for its claims.
    pub(super) fn key_label(&self) -> Option<&KeyLabel> {
        self.origin().key.as_deref()
    }

    /// The JSON of the claims, if it was kept apart from a token.
    pub(super) fn kept_json(&self) -> &str {
        self.origin().strings.json()
    }

    pub(super) fn identifiers(&self) -> &Identifiers {
        &self.origin().identifiers
    }

    pub(super) fn compared_by(&self) -> &AtomicU64 {
        &self.origin().compared_by
    }

    pub(super) fn trusted_issuer(&self) -> &Arc<TrustedIssuer> {
        &self.issuer
    }

    /// The token, if it is shared with a cache.
    pub(super) fn token(&self) -> Option<&Arc<str>> {
        self.origin().token.as_ref()
    }

    /// Returns whether rules over both decide the same.
    pub(super) fn has_same_authorities(&self, other: &Verified) -> bool {
        let party = |verified: &Verified| (verified.is_clients_own, verified.issuer().to_owned());
        self.origin().grants == other.origin().grants
            && (self.subject(), self.client_id()) == (other.subject(), other.client_id())
            && party(self) == party(other)
    }

    /// The heap memory besides the token, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        let bound = self.origin().bound.as_ref().map_or(0, |_| size_of::<Bound>());
        let transaction = self.origin().transaction.as_ref().map_or(0, |id| id.len());
        #[cfg(feature = "status-list")]
        let status = self.origin().status.as_ref().map_or(0, |status| status.heap_bytes());
        #[cfg(not(feature = "status-list"))]
        let status = 0;
        self.origin().strings.heap_bytes() + self.origin().grants.held_bytes() + bound + transaction + status
    }
}

/// A view has what a hit reads; all else is that of the token.
impl Share for Verified {
    fn view(this: &Arc<Self>) -> Arc<Self> {
        let origin = this.origin.as_ref().unwrap_or(this);
        Arc::new(Verified {
            grants: Grants::default(),
            strings: Strings::default(),
            token: None,
            typed: TypedClaims::within(None),
            key: None,
            configured_claims: None,
            is_clients_own: origin.is_clients_own,
            kind: origin.kind,
            issued_at: origin.issued_at,
            not_before: origin.not_before,
            expires: origin.expires,
            epoch: origin.epoch,
            issuer: Arc::clone(&origin.issuer),
            bound: None,
            clock: Arc::clone(&origin.clock),
            transaction: None,
            identifiers: Identifiers::default(),
            compared_by: AtomicU64::new(0),
            origin: Some(Arc::clone(origin)),
            #[cfg(feature = "status-list")]
            status: None,
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(self.origin(), other.origin())
    }

    fn token(&self) -> Option<&Arc<str>> {
        Verified::token(self)
    }
}

/// The place in a status list that the claims state.
#[cfg(feature = "status-list")]
#[inline]
fn status_of(payload: &Payload) -> Option<Box<StatusClaim>> {
    let json = payload.status.map(|text| payload.text(text))?;
    StatusClaim::read(json).map(Box::new)
}

/// Metadata only: claims are personal data.
impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("issuer", &self.issuer())
            .field("key_id", &self.key_id())
            .field("token_id", &self.token_id().map(safe_text))
            .field("expires_at", &self.expires_at().as_secs())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;
    use crate::clock::SystemClock;
    use crate::key::{KeySet, KeySource, Lookup, StaticKeys};
    use crate::mint::{Draft, Signer};
    use crate::policy::NeedsAudience;
    use crate::verify::verifier::{Step, Verifier};

    /// The size of a cache line on common machines, in bytes.
    const LINE: usize = 64;

    #[test]
    fn s15_07_a_cached_token_keeps_no_key_of_a_replaced_set() {
        let signer = Signer::generate(Algorithm::ES256).expect("a key").with_key_id("k1");
        let set = Arc::new(KeySet::new([signer.verifying_key().expect("a public key")]));
        let key = match set.find(Some("k1"), Algorithm::ES256, Algorithm::RS256) {
            Lookup::Found(found) => Arc::downgrade(found[0]),
            _ => panic!("no key"),
        };
        let keys = Arc::new(StaticKeys::new([]));
        keys.cell().store(Arc::clone(&set), None);
        drop(set);
        let trusted = NeedsAudience::new("https://id.test", keys.clone()).audience("orders");
        let verifier = Verifier::new(trusted).expect("a policy");
        let (now, draft) = (SystemClock.now(), Draft::access_token().issuer("https://id.test").audience("orders"));
        let draft =
            draft.subject("ann").issued_at(now).expires_at(now.saturating_add(std::time::Duration::from_secs(300)));
        let token = draft.sign(&signer).expect("signed");
        let Step::Done(Ok(verified)) = verifier.verify_with_cached_keys(&token) else { panic!("not verified") };
        assert!(key.upgrade().is_some() && verifier.cached_tokens() == 1);
        keys.cell().store(Arc::new(KeySet::new([])), None);
        assert!(key.upgrade().is_none(), "the key is still in memory");
        assert_eq!((verified.key_id(), verified.algorithm()), (Some("k1"), Some(Algorithm::ES256)));
    }

    #[test]
    fn fields_of_a_hit_share_a_cache_line_without_the_reference_counts() {
        let first = offset_of!(Verified, not_before);
        let last = [
            offset_of!(Verified, expires),
            offset_of!(Verified, epoch),
            offset_of!(Verified, issuer),
            offset_of!(Verified, bound),
        ];
        assert!(
            last.iter().all(|field| (first..first + LINE - size_of::<usize>()).contains(field)),
            "{first} {last:?}"
        );
        assert!(first >= LINE, "{first}");
    }
}
