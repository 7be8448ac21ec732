//! The issuer: its parts, and the operations on its keys and tokens.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

#[cfg(any(feature = "metrics", feature = "otel"))]
use countersign_core::clock::UnixTime;
use countersign_core::clock::{Clock, FixedClock};
use countersign_core::error::VerifyError;
use countersign_core::integration::verify_presented;
use countersign_core::key::{Algorithm, KeySet, KeySource, StaticKeys};
#[cfg(feature = "txn")]
use countersign_core::policy::TransactionService;
use countersign_core::policy::TrustedIssuer;
use countersign_core::verify::{TransactionToken, Verified, Verifier};

use super::federation::{FederationError, Federations};
use super::identity_providers::{Asserted, IdentityProviders};
use super::own_tokens;
use super::revocations::Revocations;
use super::subject_issuers::OutsideSubject;
use super::trust_domains::TrustDomains;
#[cfg(feature = "txn")]
use super::trust_domains::transaction_service;
use crate::audit::{self, Refusals};
use crate::client::{AuthenticationError, Client, ClientAuthenticator};
use crate::counts::Counts;
use crate::oauth::ClientIdentification;
use crate::policy::Audience;
use crate::proof::ProofCheck;
use crate::rotation::{KeyRing, Maintenance, Published, PublishedKey, RingKeys, RotationError};
use crate::status::Statuses;
use crate::store::{StoreError, StoreErrorKind};

/// A token service. Clones are cheap and share their state.
///
/// ```
/// use countersign_issuer::{Audience, Client, Issuer, SecretHash};
///
/// let (_, stored) = SecretHash::generate()?;
/// let issuer = Issuer::builder("https://sts.example.com")
///     .add_audience(Audience::new("billing").scopes(["invoices:read"]))
///     .add_client(Client::new("orders").secret(stored).audiences(["billing"]).scopes(["invoices:read"]))
///     .build()?;
/// assert_eq!(issuer.name(), "https://sts.example.com");
///
/// let orders = Client::new("orders").audiences(["biling"]);
/// let error = Issuer::builder("http://sts.example.com").add_client(orders).build().unwrap_err();
/// let fields: Vec<_> = error.faults().iter().map(|fault| fault.field.to_string()).collect();
/// assert_eq!(fields, ["issuer", "client orders: secret", "client orders: audiences"]);
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Issuer(Arc<Parts>);

/// The parts of an issuer, checked by its builder.
pub(crate) struct Parts {
    pub(crate) name: String,
    pub(crate) audiences: HashMap<String, Audience>,
    pub(crate) token_lifetime: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) maintenance: Maintenance,
    pub(crate) clients: ClientAuthenticator,
    pub(crate) federations: Federations,
    pub(crate) identity_providers: IdentityProviders,
    pub(crate) trust_domains: TrustDomains,
    pub(crate) key_source: Arc<RingKeys>,
    pub(crate) own_tokens: Verifier,
    pub(crate) revocations: Revocations,
    pub(crate) refusals: Refusals,
    pub(crate) counts: Arc<Counts>,
    pub(crate) proofs: ProofCheck,
    pub(crate) statuses: Option<Statuses>,
}

impl Issuer {
    pub(crate) fn new(parts: Parts) -> Self {
        Issuer(Arc::new(parts))
    }

    /// The name of the issuer, which tokens carry as `iss`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The algorithm of all its keys.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.0.keys.algorithm()
    }

    /// The issuer as a verifier in the same process trusts it: keys without a network, its algorithm, RFC 9068.
    ///
    /// ```
    /// use countersign_core::{mint::Draft, verify::Verifier};
    /// use countersign_issuer::{Audience, Issuer};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let issuer = Issuer::builder("http://127.0.0.1:4000").add_audience(Audience::new("orders")).build()?;
    /// let verifier = Verifier::new(issuer.trusted_for("orders"))?;
    /// let token = issuer.mint(&Draft::access_token().subject("ann").audience("orders").client_id("web-shop"))?;
    /// assert_eq!(verifier.verify(token.as_str()).await?.subject(), "ann");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn trusted_for(&self, audience: impl Into<String>) -> TrustedIssuer {
        let keys = Arc::clone(&self.0.key_source) as Arc<dyn KeySource>;
        own_tokens::trusted_for(&self.0.name, keys, self.algorithm(), audience)
    }

    /// The issuer as a verifier in the same process trusts it for transaction tokens of `trust_domain`.
    ///
    /// ```
    /// use countersign_core::verify::TransactionVerifier;
    /// use countersign_issuer::{Issuer, TrustDomain};
    ///
    /// let issuer = Issuer::builder("http://127.0.0.1:4000").add_trust_domain(TrustDomain::new("shop.example")).build()?;
    /// let verifier = TransactionVerifier::new(issuer.transaction_service_for("shop.example"))?;
    /// # let _ = verifier;
    /// # Ok::<(), countersign_core::error::ConfigError>(())
    /// ```
    #[cfg(feature = "txn")]
    pub fn transaction_service_for(&self, trust_domain: &str) -> TransactionService {
        let keys = Arc::clone(&self.0.key_source) as Arc<dyn KeySource>;
        transaction_service(trust_domain, &self.0.name, keys, self.algorithm())
    }

    /// Publishes a new key, which signs after every verifier's cache has it (420 s). The active key then retires: it stays
    /// published until its last token has expired. A pending key is returned instead of a second one.
    ///
    /// Generating an RSA key takes some hundred milliseconds; call this from a blocking thread then.
    ///
    /// # Errors
    /// `RotationError` if sixteen keys are already published, the key cannot be generated, or the store fails.
    pub fn rotate(&self) -> Result<PublishedKey, RotationError> {
        self.0.keys.rotate()
    }

    /// Signs with another key from now on; the old one stays published.
    ///
    /// A verifier with an older cached set refreshes it for the unknown `kid`. One that does not refuses new tokens for up
    /// to 300 s. [`rotate`](Self::rotate) avoids that gap.
    ///
    /// # Errors
    /// As [`rotate`](Self::rotate).
    pub fn rotate_now(&self) -> Result<PublishedKey, RotationError> {
        self.0.keys.rotate_now()
    }

    /// Removes a compromised key from the published set at once; if it is the active key, another one signs from now on.
    /// Returns `false` if no key has this `kid`.
    ///
    /// Verifiers accept its tokens until they refresh the key set: for up to its `max-age` of 300 s, and while this service
    /// is unreachable, as long as they use stale keys.
    ///
    /// # Errors
    /// As [`rotate`](Self::rotate).
    pub fn revoke_key(&self, key_id: &str) -> Result<bool, RotationError> {
        self.0.keys.revoke(key_id)
    }

    /// The published keys, the active one first.
    #[must_use]
    pub fn keys(&self) -> Vec<PublishedKey> {
        self.published().keys.clone()
    }

    /// Returns whether the key with this `kid` is published, so that services accept what it signed.
    ///
    /// Whoever caches a minted token asks this before it sends it again: after [`revoke_key`](Self::revoke_key) it must not.
    ///
    /// ```
    /// use countersign_issuer::Issuer;
    ///
    /// let issuer = Issuer::builder("http://127.0.0.1:4000").build()?;
    /// let key = issuer.keys().remove(0);
    /// issuer.revoke_key(&key.key_id)?;
    /// assert!(!issuer.has_key(&key.key_id));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn has_key(&self, key_id: &str) -> bool {
        !self.is_withdrawn() && self.published().keys.iter().any(|key| key.key_id == key_id)
    }

    /// The scopes that tokens for this audience may carry; `None` if the issuer does not have it.
    ///
    /// ```
    /// use countersign_issuer::{Audience, Issuer};
    ///
    /// let orders = Audience::new("orders").scopes(["orders:read"]);
    /// let issuer = Issuer::builder("http://127.0.0.1:4000").add_audience(orders).build()?;
    /// assert_eq!(issuer.scopes_of("orders").map(Iterator::count), Some(1));
    /// assert!(issuer.scopes_of("stock").is_none());
    /// # Ok::<(), countersign_core::error::ConfigError>(())
    /// ```
    #[must_use]
    pub fn scopes_of(&self, audience: &str) -> Option<impl Iterator<Item = &str>> {
        Some(self.audience(audience)?.scopes.0.iter().map(AsRef::as_ref))
    }

    pub(crate) fn statuses(&self) -> Option<&Statuses> {
        self.0.statuses.as_ref()
    }

    /// Maintains the keys if it is due: reads changes of other instances, follows the schedule. Whoever signs a token calls
    /// it first, so that an instance that was idle does not sign with a key that another instance has removed.
    pub(crate) async fn maintain_keys(&self) {
        self.0.maintenance.maintain().await;
    }

    /// As [`maintain_keys`](Self::maintain_keys), for a caller that is not async.
    pub(crate) fn maintain_keys_blocking(&self) {
        self.0.maintenance.maintain_blocking();
    }

    pub(crate) async fn authenticate(
        &self,
        identification: ClientIdentification,
        peer: Option<IpAddr>,
    ) -> Result<Arc<Client>, AuthenticationError> {
        self.0.clients.authenticate(identification, peer, (self.0.clock.now(), self.0.clock.elapsed())).await
    }

    pub(crate) async fn authenticate_federated(&self, assertion: &str) -> Result<Arc<Client>, FederationError> {
        self.0.federations.authenticate(assertion, &self.0.clients.clients, |error| self.log_presented(error)).await
    }

    /// Verifies a token of this issuer that `client` presents, for any of its audiences and whatever it is bound to. `None` if it
    /// is not valid or revoked.
    ///
    /// # Errors
    /// `StoreError` if it is unknown whether the token is valid or revoked.
    pub(crate) async fn verify_own(&self, token: &str, client: &Client) -> Result<Option<Arc<Verified>>, StoreError> {
        let verified = match verify_presented(&self.0.own_tokens, token).await {
            Ok(verified) => verified,
            Err(error) => return self.not_verified(&error),
        };
        let is_revoked = self.0.revocations.is_revoked(client.id(), &verified).await?;
        Ok((!is_revoked).then_some(verified))
    }

    /// Verifies a token of this issuer as of the time of its issue, for its revocation. A token that is expired, or not valid
    /// yet, may only seem so, because a clock was set: it is revoked too.
    ///
    /// # Errors
    /// `StoreError` if it is unknown whether the token is valid.
    pub(crate) async fn verify_own_at_issue(&self, token: &str) -> Result<Option<Arc<Verified>>, StoreError> {
        let error = match verify_presented(&self.0.own_tokens, token).await {
            Ok(verified) => return Ok(Some(verified)),
            Err(error) => error,
        };
        let keys = KeySet::from_jwks(&self.published().jwks).ok().filter(|_| !error.is_unavailable());
        let Some((issued_at, keys)) = own_tokens::issued_at(token).zip(keys) else { return self.not_verified(&error) };
        let (keys, clock) = (Arc::new(StaticKeys::from_set(keys)), FixedClock::new(issued_at));
        let algorithm = self.algorithm();
        let verifier = own_tokens::own_token_verifier(&self.0.name, keys, algorithm, self.audiences(), Arc::new(clock));
        match verifier.cache_bytes(0).build() {
            Ok(verifier) => {
                verify_presented(&verifier, token).await.map(Some).or_else(|error| self.not_verified(&error))
            }
            Err(_) => self.not_verified(&error),
        }
    }

    /// Verifies a transaction token of this issuer for a trust domain. `None` if it is not valid.
    ///
    /// # Errors
    /// `StoreError` if it is unknown whether the token is valid.
    pub(crate) async fn verify_transaction(
        &self,
        trust_domain: &str,
        token: &str,
    ) -> Result<Option<TransactionToken>, StoreError> {
        match self.0.trust_domains.verify(trust_domain, token).await {
            None => Ok(None),
            Some(Ok(transaction)) => Ok(Some(transaction)),
            Some(Err(error)) => self.not_verified(&error),
        }
    }

    /// Verifies a token of an issuer from outside whose subjects are known in a trust domain. `None` if it is not valid.
    ///
    /// # Errors
    /// `StoreError` if it is unknown whether the token is valid.
    pub(crate) async fn verify_outside_subject(
        &self,
        trust_domain: &str,
        token: &str,
    ) -> Result<Option<OutsideSubject>, StoreError> {
        match self.0.trust_domains.verify_subject(trust_domain, token).await {
            None => Ok(None),
            Some(Ok(subject)) => Ok(Some(subject)),
            Some(Err(error)) => self.not_verified(&error),
        }
    }

    /// Verifies an assertion of an identity provider about a user. `None` if it is not valid.
    ///
    /// # Errors
    /// `StoreError` if it is unknown whether the assertion is valid.
    pub(crate) async fn verify_identity_assertion(&self, assertion: &str) -> Result<Option<Asserted<'_>>, StoreError> {
        match self.0.identity_providers.verify(assertion).await {
            None => Ok(None),
            Some(Ok(asserted)) => Ok(Some(asserted)),
            Some(Err(error)) => self.not_verified(&error),
        }
    }

    pub(crate) fn identity_providers(&self) -> &IdentityProviders {
        &self.0.identity_providers
    }

    pub(crate) fn trust_domains(&self) -> &TrustDomains {
        &self.0.trust_domains
    }

    fn not_verified<T>(&self, error: &VerifyError) -> Result<Option<T>, StoreError> {
        self.log_presented(error);
        if error.is_unavailable() { Err(StoreError::new(StoreErrorKind::Unavailable)) } else { Ok(None) }
    }

    fn log_presented(&self, error: &VerifyError) {
        if let Some(unlogged) = self.0.refusals.of_presented_tokens().admit(self.0.clock.elapsed()) {
            audit::presented_token_refused(error, unlogged);
        }
    }

    pub(crate) fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    /// The time since which the active key signs.
    #[cfg(any(feature = "metrics", feature = "otel"))]
    pub(crate) fn active_key_since(&self) -> UnixTime {
        self.published().active_since
    }

    /// The checks of proofs.
    pub(crate) fn proofs(&self) -> &ProofCheck {
        &self.0.proofs
    }

    pub(crate) fn counts(&self) -> &Arc<Counts> {
        &self.0.counts
    }

    /// Returns whether a client has this id.
    pub(crate) fn is_client(&self, id: &str) -> bool {
        self.0.clients.clients.find(id).is_some()
    }

    pub(crate) fn clients(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.0.clients.clients.iter()
    }

    pub(crate) fn audience(&self, name: &str) -> Option<&Audience> {
        self.0.audiences.get(name)
    }

    pub(crate) fn audiences(&self) -> impl Iterator<Item = &Audience> {
        self.0.audiences.values()
    }

    /// Returns whether the signing keys were removed from the store.
    pub(crate) fn is_withdrawn(&self) -> bool {
        self.0.keys.is_withdrawn()
    }

    pub(crate) fn published(&self) -> Arc<Published> {
        self.0.keys.published()
    }

    /// The clock that dates its tokens.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    pub(crate) fn revocations(&self) -> &Revocations {
        &self.0.revocations
    }

    pub(crate) fn token_lifetime(&self) -> Duration {
        self.0.token_lifetime
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("name", &self.0.name)
            .field("keys", &self.published().keys)
            .finish_non_exhaustive()
    }
}
