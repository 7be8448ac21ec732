//! Transaction tokens: a kind of token of its own, which no verifier of access tokens accepts.

use std::fmt;
use std::sync::Arc;

use super::builder::VerifierBuilder;
use super::needs_keys::NeedsKeys;
use super::report::Report;
use super::span::VerificationSpan;
use super::verified::Verified;
use super::verifier::{Step, Uncached, VerificationStats, Verifier};
use crate::authz::requirement::facts::RequestContext;
use crate::authz::{Decision, Explanation, Requirement};
use crate::claims::{ClaimsError, FromClaims};
use crate::clock::{Clock, SystemClock, UnixTime};
use crate::error::{ConfigError, Fault, VerifyError};
use crate::key::{KeySource, RefreshOutcome};
use crate::policy::{Policy, TransactionService, TrustedIssuerConfig};

/// The default capacity of the cache of verified transaction tokens, in bytes. A token is used for one external request.
pub const TRANSACTION_CACHE_BYTES: usize = 4 * 1024 * 1024;

/// The smallest capacity: the token is kept with what was read from it, so that it can be forwarded unmodified.
const MIN_CACHE_BYTES: usize = 64 * 1024;

/// The longest transaction token read, in bytes: common servers accept header lines up to that length.
pub const MAX_TRANSACTION_TOKEN_BYTES: usize = 8 * 1024;

/// Verifies transaction tokens (draft-ietf-oauth-transaction-tokens-10) of the one service that it trusts. Cheap to clone;
/// build one per process.
///
/// A transaction token tells on whose behalf and for which purpose a request is made. It does not tell who makes the request:
/// the sender's own token does.
///
/// ```
/// use std::sync::Arc;
/// use countersign_core::{key::StaticKeys, policy::TransactionService, verify::TransactionVerifier};
///
/// # async fn example(token: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let service = TransactionService::new("shop.example", Arc::new(StaticKeys::new([])));
/// let verifier = TransactionVerifier::new(service)?;
/// let transaction = verifier.verify(token).await?;
/// println!("transaction {} for {}", transaction.id(), transaction.subject());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TransactionVerifier {
    verifier: Verifier,
    trust_domain: Arc<str>,
}

/// Collects the settings of a [`TransactionVerifier`]; [`build`](Self::build) checks them.
///
/// ```
/// use std::sync::Arc;
/// use countersign_core::{key::StaticKeys, policy::TransactionService, verify::TransactionVerifier};
///
/// let service = TransactionService::new("shop.example", Arc::new(StaticKeys::new([])));
/// let verifier = TransactionVerifier::builder(service).deny_danger().build()?;
/// # let _ = verifier;
/// # Ok::<(), countersign_core::error::ConfigError>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct TransactionVerifierBuilder {
    service: TransactionService,
    clock: Arc<dyn Clock>,
    cache_bytes: usize,
    denies_danger: bool,
}

impl TransactionVerifier {
    /// A verifier with all settings at their defaults.
    ///
    /// # Errors
    /// As [`TransactionVerifierBuilder::build`].
    pub fn new(service: TransactionService) -> Result<Self, ConfigError> {
        Self::builder(service).build()
    }

    /// For other settings than the defaults.
    pub fn builder(service: TransactionService) -> TransactionVerifierBuilder {
        let (clock, cache_bytes) = (Arc::new(SystemClock), TRANSACTION_CACHE_BYTES);
        TransactionVerifierBuilder { service, clock, cache_bytes, denies_danger: false }
    }

    /// For the transaction token service of a policy, with its `deny_danger`; `keys` creates the key source, as for
    /// [`VerifierBuilder::policy`](super::VerifierBuilder::policy).
    ///
    /// ```
    /// use countersign_core::policy::{Policy, TrustedIssuerConfig};
    /// use countersign_core::{error::ConfigError, verify::TransactionVerifier};
    ///
    /// let policy = Policy::from_json(
    ///     r#"{"issuers":[{"issuer":"https://id.example.com","audience":"orders"}],"transactions":{"trust_domain":"shop.example",
    ///       "keys":{"inline":
    ///       "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"}}}"#,
    /// )?;
    /// let here_only = |issuer: &TrustedIssuerConfig| {
    ///     issuer.keys.inline().unwrap_or_else(|| Err(ConfigError::new("keys", "write them into the policy")))
    /// };
    /// let verifier = TransactionVerifier::builder_for(&policy, here_only)?.build()?;
    /// assert_eq!(verifier.trust_domain(), "shop.example");
    /// # Ok::<(), ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// `ConfigError` on field `transactions` if the policy names no service, or neither its issuer nor its keys; and the error of
    /// `keys`.
    pub fn builder_for(
        policy: &Policy,
        keys: impl FnOnce(&TrustedIssuerConfig) -> Result<Arc<dyn KeySource>, ConfigError>,
    ) -> Result<TransactionVerifierBuilder, ConfigError> {
        let missing = || ConfigError::new("transactions", "missing; name the trust domain and its service");
        let config = policy.transactions.as_ref().ok_or_else(missing)?;
        let builder = Self::builder(config.to_service(policy.connection.as_ref(), keys)?);
        Ok(if policy.deny_danger { builder.deny_danger() } else { builder })
    }

    pub(super) fn from_parts(verifier: Verifier, trust_domain: Arc<str>) -> Self {
        TransactionVerifier { verifier, trust_domain }
    }

    pub(super) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Checks a compact JWS, the whole value of a header `Txn-Token`.
    ///
    /// Waits only if the token's key is not cached, and then within the limits of its key source.
    ///
    /// # Errors
    /// The kinds of [`VerifyErrorKind`](crate::error::VerifyErrorKind). Each missing claim is named.
    pub async fn verify(&self, token: &str) -> Result<TransactionToken, VerifyError> {
        self.verifier.verify(token).await.map(TransactionToken)
    }

    /// Runs every check on `token` and reports each, as [`Verifier::explain`] does.
    pub async fn explain(&self, token: &str) -> Report {
        self.verifier.explain(token).await
    }

    /// The trust domain whose tokens are accepted.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// The counts since it was built.
    #[must_use]
    pub fn stats(&self) -> VerificationStats {
        self.verifier.stats()
    }

    /// The clock of this verifier.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        self.verifier.clock()
    }

    /// Returns whether it forbids weakened key sources and test keys.
    #[must_use]
    pub fn denies_danger(&self) -> bool {
        self.verifier.denies_danger()
    }
}

impl fmt::Debug for TransactionVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactionVerifier").field("trust_domain", &self.trust_domain).finish_non_exhaustive()
    }
}

impl TransactionVerifierBuilder {
    /// Uses this clock instead of the system clock. A layer and its transaction tokens have the same clock.
    pub fn clock(self, clock: impl Clock) -> Self {
        TransactionVerifierBuilder { clock: clock.into_shared(), ..self }
    }

    /// The capacity of the cache of verified tokens in bytes. Default 4 MiB, at least 64 KiB.
    pub fn cache_bytes(self, cache_bytes: usize) -> Self {
        TransactionVerifierBuilder { cache_bytes, ..self }
    }

    /// Refuses to build if the key source is weakened, and refuses tokens signed with test keys (`test-only-…`).
    pub fn deny_danger(self) -> Self {
        TransactionVerifierBuilder { denies_danger: true, ..self }
    }

    /// Checks everything and builds.
    ///
    /// # Errors
    /// `ConfigError` with every fault: an empty trust domain, mixed algorithms, a lifetime or leeway out of range, and so on.
    pub fn build(self) -> Result<TransactionVerifier, ConfigError> {
        let (builder, trust_domain) = self.checked()?;
        Ok(TransactionVerifier { verifier: builder.build()?, trust_domain })
    }

    /// The builder of the verifier inside, and the trust domain.
    pub(super) fn checked(self) -> Result<(VerifierBuilder, Arc<str>), ConfigError> {
        let mut faults = self.service.faults();
        if self.cache_bytes < MIN_CACHE_BYTES {
            faults.push(Fault::new("cache_bytes", "below 65536; transaction tokens are kept to be forwarded"));
        }
        ConfigError::check(faults)?;
        let builder = Verifier::builder()
            .trust(self.service.to_trusted_issuer())
            .clock(self.clock)
            .max_token_bytes(MAX_TRANSACTION_TOKEN_BYTES)
            .cache_bytes(self.cache_bytes);
        let builder = if self.denies_danger { builder.deny_danger() } else { builder };
        Ok((builder, self.service.trust_domain().into()))
    }
}

/// A verified transaction token: on whose behalf and for which purpose a request is made.
///
/// Only a [`TransactionVerifier`] makes one. It does not identify the sender of the request, and nothing accepts it in place of
/// an access token. The token itself is hidden from `Debug`; only an outbound client forwards it.
///
/// ```compile_fail
/// use countersign_core::verify::TransactionToken;
///
/// let forged: TransactionToken = serde_json::from_str(r#"{"sub":"ann"}"#).unwrap(); // cannot be deserialised
/// ```
#[derive(Clone)]
pub struct TransactionToken(Arc<Verified>);

impl TransactionToken {
    /// The identifier of the transaction (`txn`): the same in every service that takes part in it, and in their logs.
    ///
    /// ```
    /// use countersign_core::verify::TransactionToken;
    ///
    /// fn log_line(transaction: &TransactionToken) -> String {
    ///     format!("transaction {}: the order was placed", transaction.id())
    /// }
    /// # let _ = log_line;
    /// ```
    #[must_use]
    pub fn id(&self) -> &str {
        self.0.transaction_id().unwrap_or_default() // required
    }

    /// The trust domain (`aud`).
    ///
    /// ```
    /// use countersign_core::verify::TransactionToken;
    ///
    /// fn is_of_the_shop(transaction: &TransactionToken) -> bool {
    ///     transaction.trust_domain() == "shop.example"
    /// }
    /// # let _ = is_of_the_shop;
    /// ```
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        self.0.audiences().next().unwrap_or_default() // required
    }

    /// The principal of the transaction (`sub`). It is unique within the [trust domain](Self::trust_domain), whatever issuer a
    /// caller's token has.
    ///
    /// ```
    /// use countersign_core::verify::TransactionToken;
    ///
    /// fn is_owner(transaction: &TransactionToken) -> bool {
    ///     transaction.trust_domain() == "shop.example" && transaction.subject() == "users:ann"
    /// }
    /// # let _ = is_owner;
    /// ```
    #[must_use]
    pub fn subject(&self) -> &str {
        self.0.subject()
    }

    /// The service that issued the token (`iss`), or the trust domain if the policy names no issuer.
    ///
    /// ```
    /// use countersign_core::verify::TransactionToken;
    ///
    /// fn is_of_the_service(transaction: &TransactionToken) -> bool {
    ///     transaction.issuer() == "https://sts.shop.example"
    /// }
    /// # let _ = is_of_the_service;
    /// ```
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.0.issuer()
    }

    /// The workload that requested the token (`req_wl`), not the one that sent this request.
    ///
    /// ```
    /// use countersign_core::verify::TransactionToken;
    ///
    /// fn came_in_by_the_gateway(transaction: &TransactionToken) -> bool {
    ///     transaction.requesting_workload() == "gateway"
    /// }
    /// # let _ = came_in_by_the_gateway;
    /// ```
    #[must_use]
    pub fn requesting_workload(&self) -> &str {
        self.0.client_id().unwrap_or_default() // required
    }

    /// The party that acts for the subject (`act.sub`), outermost, if the service that issued the token wrote one.
    ///
    /// ```
    /// use countersign_core::verify::TransactionToken;
    ///
    /// fn is_by_somebody_else(transaction: &TransactionToken) -> bool {
    ///     transaction.actor().is_some_and(|actor| actor != transaction.subject())
    /// }
    /// # let _ = is_by_somebody_else;
    /// ```
    #[must_use]
    pub fn actor(&self) -> Option<&str> {
        self.0.actor()
    }

    /// The purpose of the transaction (`scope`).
    ///
    /// ```
    /// use countersign_core::verify::TransactionToken;
    ///
    /// fn is_a_trade(transaction: &TransactionToken) -> bool {
    ///     transaction.scopes().any(|scope| scope == "trade.stocks")
    /// }
    /// # let _ = is_a_trade;
    /// ```
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.grants().scopes.iter()
    }

    /// The expiry (`exp`).
    ///
    /// ```
    /// use countersign_core::clock::{Clock, SystemClock};
    /// use countersign_core::verify::TransactionToken;
    ///
    /// fn is_worth_a_start(transaction: &TransactionToken) -> bool {
    ///     transaction.expires_at().saturating_since(SystemClock.now()).as_secs() >= 10
    /// }
    /// # let _ = is_worth_a_start;
    /// ```
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.0.expires_at()
    }

    /// The time of issue (`iat`).
    ///
    /// ```
    /// use countersign_core::verify::TransactionToken;
    ///
    /// fn lifetime(transaction: &TransactionToken) -> std::time::Duration {
    ///     transaction.expires_at().saturating_since(transaction.issued_at())
    /// }
    /// # let _ = lifetime;
    /// ```
    #[must_use]
    pub fn issued_at(&self) -> UnixTime {
        self.0.issued_at().unwrap_or_default() // required
    }

    /// The details of the transaction (`tctx`), decoded into `T`. With an `Option`, they may be absent.
    ///
    /// ```
    /// use countersign_core::claims::ClaimsError;
    /// use countersign_core::verify::TransactionToken;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Trade {
    ///     action: String,
    /// }
    ///
    /// fn is_purchase(transaction: &TransactionToken) -> Result<bool, ClaimsError> {
    ///     Ok(transaction.context::<Trade>()?.action == "BUY")
    /// }
    /// # let _ = is_purchase;
    /// ```
    ///
    /// # Errors
    /// `ClaimsError` if they are absent or do not decode. It names the field and the types, never the content.
    pub fn context<T: serde::de::DeserializeOwned>(&self) -> Result<T, ClaimsError> {
        self.0.decode::<TransactionContext<T>>().map(|claims| claims.tctx)
    }

    /// The environment of the request that began the transaction (`rctx`), decoded into `T`. With an `Option`, it may be absent.
    ///
    /// ```
    /// use countersign_core::claims::ClaimsError;
    /// use countersign_core::verify::TransactionToken;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Origin {
    ///     req_ip: std::net::IpAddr,
    /// }
    ///
    /// fn address(transaction: &TransactionToken) -> Result<std::net::IpAddr, ClaimsError> {
    ///     Ok(transaction.request_context::<Origin>()?.req_ip)
    /// }
    /// # let _ = address;
    /// ```
    ///
    /// # Errors
    /// As [`context`](Self::context).
    pub fn request_context<T: serde::de::DeserializeOwned>(&self) -> Result<T, ClaimsError> {
        self.0.decode::<RequestContextClaim<T>>().map(|claims| claims.rctx)
    }

    /// All claims as the application's own type, decoded once per token and type.
    ///
    /// ```
    /// use countersign_core::claims::ClaimsError;
    /// use countersign_core::verify::TransactionToken;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Tenant {
    ///     tenant: String,
    /// }
    ///
    /// fn tenant(transaction: &TransactionToken) -> Result<String, ClaimsError> {
    ///     Ok(transaction.claims::<Tenant>()?.tenant.clone())
    /// }
    /// # let _ = tenant;
    /// ```
    ///
    /// # Errors
    /// As [`context`](Self::context).
    pub fn claims<C: FromClaims>(&self) -> Result<Arc<C>, ClaimsError> {
        self.0.claims()
    }

    /// Returns whether the transaction itself meets `requirement` now: its scopes, its subject, its claims.
    ///
    /// Guards use [`in_transaction`](crate::authz::in_transaction) for the same.
    ///
    /// ```
    /// use countersign_core::authz::{claim, scope};
    /// use countersign_core::verify::TransactionToken;
    ///
    /// fn is_purchase(transaction: &TransactionToken) -> bool {
    ///     transaction.meets(&scope("trade.stocks").and(claim("/tctx/action", "BUY")))
    /// }
    /// # let _ = is_purchase;
    /// ```
    #[must_use]
    pub fn meets(&self, requirement: &Requirement) -> bool {
        self.0.meets(requirement)
    }
}

/// A transaction token that is not cached.
#[derive(Debug)]
#[must_use]
pub struct UncachedTransaction<'v>(Uncached<'v>);

/// The result of verifying a transaction token with the cached keys.
#[derive(Debug)]
pub enum TransactionStep {
    /// The token is accepted or refused.
    Done(Result<TransactionToken, VerifyError>),
    /// No rule refuses the token, but its key is not cached.
    NeedsKeys(NeedsKeys),
}

impl UncachedTransaction<'_> {
    /// Verifies the token with the cached keys; never waits.
    #[must_use]
    pub fn verify_with_cached_keys(self) -> TransactionStep {
        match self.0.verify_with_cached_keys() {
            Step::Done(result) => TransactionStep::Done(result.map(TransactionToken)),
            Step::NeedsKeys(keys) => TransactionStep::NeedsKeys(keys),
        }
    }
}

/// Returns the transaction token if this exact one is cached and still valid. A cached one consists of base64url and dots.
///
/// # Errors
/// The token, if it is not cached.
pub fn cached_transaction<'v>(
    verifier: &'v TransactionVerifier,
    token: &'v str,
) -> Result<TransactionToken, UncachedTransaction<'v>> {
    verifier.verifier.cached(token).map(TransactionToken).map_err(UncachedTransaction)
}

/// Verifies a transaction token after its key source has answered, in the span of its verification.
///
/// # Errors
/// As [`TransactionVerifier::verify`].
pub fn verify_transaction_after_refresh(
    verifier: &TransactionVerifier,
    token: &str,
    span: &VerificationSpan,
    outcome: &RefreshOutcome,
) -> Result<TransactionToken, VerifyError> {
    span.finish(|| verifier.verifier.verify_after_refresh(token, outcome)).map(TransactionToken)
}

/// Returns whether the policy and the keys in force accept the transaction, with the same authorities, and it has not expired.
pub async fn still_accepts_transaction(verifier: &TransactionVerifier, transaction: &TransactionToken) -> bool {
    verifier.verifier.still_accepts(&transaction.0).await
}

/// The token itself, to be forwarded unmodified.
#[must_use]
pub fn transaction_text(transaction: &TransactionToken) -> Option<&str> {
    transaction.0.token().map(|token| &**token)
}

/// Checks `requirement` for a caller whose request belongs to this transaction.
pub fn check_in_transaction(
    caller: &Verified,
    requirement: &Requirement,
    context: RequestContext<'_>,
    transaction: Option<&TransactionToken>,
) -> Decision {
    caller.check_within(requirement, context, transaction.map(|it| &*it.0))
}

/// Explains `requirement` for a caller whose request belongs to this transaction.
pub fn explain_in_transaction(
    caller: &Verified,
    requirement: &Requirement,
    context: RequestContext<'_>,
    transaction: Option<&TransactionToken>,
) -> Explanation {
    caller.explain_within(requirement, context, transaction.map(|it| &*it.0))
}

#[derive(serde::Deserialize)]
struct TransactionContext<T> {
    tctx: T,
}

#[derive(serde::Deserialize)]
struct RequestContextClaim<T> {
    rctx: T,
}

/// Metadata only: the token can be replayed, and its claims are personal data.
impl fmt::Debug for TransactionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactionToken")
            .field("id", &self.id())
            .field("trust_domain", &self.trust_domain())
            .field("expires_at", &self.expires_at().as_secs())
            .finish_non_exhaustive()
    }
}
