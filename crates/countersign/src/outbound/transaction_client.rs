//! Transaction tokens for the callers of a service at the edge of a trust domain.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::error::ConfigError;
use countersign_core::policy::{OutboundConfig, Policy};
use countersign_core::verify::{TransactionToken, TransactionVerifier};
use http::Extensions;

use super::config;
use super::error::{OutboundError, OutboundErrorKind};
use super::new_transaction::NewTransaction;
use super::source::{ClientCredentials, OutboundContext, TransactionRequests};
use crate::audit::Trail;
use crate::authenticate::{Authenticated, CallerToken};
use crate::rt;

/// The longest wait for a token, with all retries.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Requests transaction tokens for the callers of a service: where requests from outside enter a trust domain
/// (draft-ietf-oauth-transaction-tokens-10 §5).
///
/// Each transaction has a token of its own, so none is cached. While tokens are requested, one caller gets a share of the requests
/// only. A token counts if the verifier accepts it, and ends no later than that of the caller. Forward it with
/// [`Outbound::in_transaction`](super::Outbound::in_transaction).
///
/// ```no_run
/// use countersign::outbound::{ClientCredentials, NewTransaction, Outbound, OutboundError, TransactionClient};
/// use countersign::secret::Secret;
/// use countersign::verify::TransactionVerifier;
/// use http::Extensions;
///
/// fn client(verifier: TransactionVerifier) -> Result<TransactionClient, Box<dyn std::error::Error>> {
///     let credentials = ClientCredentials::from_issuer("https://sts.shop.example")
///         .client("gateway", Secret::from_env("GATEWAY_CLIENT_SECRET")?);
///     Ok(TransactionClient::new(credentials, verifier)?)
/// }
///
/// // A handler of axum, behind a layer with `keep_caller_token`.
/// async fn place(request: Extensions, transactions: TransactionClient, outbound: Outbound) -> Result<(), OutboundError> {
///     let transaction = transactions.begin(&request, NewTransaction::new("orders:place")).await?;
///     let order = outbound.client().post("https://orders.internal/orders");
///     outbound.in_transaction(&transaction).send(order).await?;
///     Ok(())
/// }
/// # let _ = (client, place);
/// ```
#[derive(Clone)]
pub struct TransactionClient {
    inner: Arc<Inner>,
    accepts_longer: bool,
}

struct Inner {
    requests: TransactionRequests,
    verifier: TransactionVerifier,
}

impl TransactionClient {
    /// A client of the transaction token service at the token endpoint of `credentials`. `verifier` names the trust domain.
    ///
    /// # Errors
    /// `ConfigError` with every fault of the credentials, and on `audience`, `resource`, `scope`, `dpop`, `actor`, `jwt_bearer` and
    /// `entra_on_behalf_of` if they are set: a transaction token has none of them, or the transaction itself names it.
    pub fn new(credentials: ClientCredentials, verifier: TransactionVerifier) -> Result<Self, ConfigError> {
        let (requests, mut faults) = TransactionRequests::new(credentials, verifier.trust_domain());
        let context = OutboundContext::new(Arc::clone(verifier.clock()));
        let context = if verifier.denies_danger() { context.deny_danger() } else { context };
        faults.extend(requests.attach(&context));
        ConfigError::check(faults)?;
        Ok(TransactionClient { inner: Arc::new(Inner { requests, verifier }), accepts_longer: false })
    }

    /// The client and the token service of a binding, as [`new`](Self::new) otherwise. What the binding says about its own tokens,
    /// such as `audience`, `scope` and `dpop`, does not count here. `policy` has the defaults: issuer and connection.
    ///
    /// ```
    /// use countersign::outbound::TransactionClient;
    /// use countersign::policy::Policy;
    /// use countersign::verify::TransactionVerifier;
    ///
    /// fn client(policy: &Policy, verifier: TransactionVerifier) -> Result<TransactionClient, countersign::error::ConfigError> {
    ///     TransactionClient::from_config(&policy.outbound[0], policy, verifier)
    /// }
    /// # let _ = client;
    /// ```
    ///
    /// # Errors
    /// As [`new`](Self::new), and on `client` if the binding has none.
    pub fn from_config(
        binding: &OutboundConfig,
        policy: &Policy,
        verifier: TransactionVerifier,
    ) -> Result<Self, ConfigError> {
        Self::new(config::transaction_credentials(binding, policy)?, verifier)
    }

    /// Takes also tokens that end after that of the caller, as the token service decides (§3). Default: they are refused, because the
    /// caller could act on with them for that time.
    ///
    /// ```
    /// use countersign::outbound::TransactionClient;
    ///
    /// fn patient(transactions: TransactionClient) -> TransactionClient {
    ///     transactions.accept_longer_tokens()
    /// }
    /// # let _ = patient;
    /// ```
    #[must_use]
    pub fn accept_longer_tokens(self) -> Self {
        TransactionClient { accepts_longer: true, ..self }
    }

    /// Begins a transaction for the request with these extensions, and records its identifier in the audit event of the request. A
    /// request that belongs to a transaction already stays in it: its token is returned.
    ///
    /// # Errors
    /// As [`begin_for`](Self::begin_for), and `no_caller` if the request has no caller's token: the layer must
    /// [keep](crate::authenticate::AuthenticateLayerBuilder::keep_caller_token) it, and anonymous callers have none.
    pub async fn begin(
        &self,
        extensions: &Extensions,
        transaction: NewTransaction,
    ) -> Result<TransactionToken, OutboundError> {
        if let Some(current) = Authenticated::transaction(extensions) {
            return Ok(current.clone());
        }
        let Some(caller) = extensions.get::<CallerToken>() else {
            let detail = "the request has no caller's token; build the layer with keep_caller_token";
            return Err(OutboundError::new(OutboundErrorKind::NoCaller, detail));
        };
        let token = self.begin_for(caller, transaction).await?;
        if let Some(trail) = Trail::of(extensions) {
            trail.began(&token);
        }
        Ok(token)
    }

    /// Begins a transaction for a caller.
    ///
    /// ```
    /// use countersign::authenticate::CallerToken;
    /// use countersign::outbound::{NewTransaction, OutboundError, TransactionClient};
    ///
    /// async fn export(transactions: TransactionClient, caller: CallerToken) -> Result<String, OutboundError> {
    ///     let transaction = transactions.begin_for(&caller, NewTransaction::new("orders:export")).await?;
    ///     Ok(transaction.id().to_owned())
    /// }
    /// # let _ = export;
    /// ```
    ///
    /// # Errors
    /// `token_unavailable`; `token_refused` if the service refused, if it gave no valid transaction token, if the token outlives that
    /// of the caller, or if details or context are no JSON objects; and `subject_expired`.
    pub async fn begin_for(
        &self,
        caller: &CallerToken,
        transaction: NewTransaction,
    ) -> Result<TransactionToken, OutboundError> {
        let Inner { requests, verifier } = &*self.inner;
        let transaction = transaction.into_form()?;
        if verifier.clock().now() >= caller.expires_at() {
            return Err(OutboundError::new(OutboundErrorKind::SubjectExpired, "the caller's token is over"));
        }
        let token = rt::within(TIMEOUT, requests.token(caller, transaction)).await;
        let token =
            token.unwrap_or_else(|| Err(OutboundError::unavailable("the token service did not answer", None)))?;
        let token = verifier.verify(token.expose()).await.map_err(|error| {
            if error.is_unavailable() {
                return OutboundError::unavailable("the keys of transaction tokens are not available", None);
            }
            OutboundError::refused(format!("the token service gave no valid transaction token ({})", error.code()))
        })?;
        if token.expires_at() > caller.expires_at() && !self.accepts_longer {
            return Err(OutboundError::refused(
                "the transaction token outlives the caller's token; shorten it at the token service, or accept_longer_tokens",
            ));
        }
        Ok(token)
    }

    /// The trust domain.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        self.inner.verifier.trust_domain()
    }
}

impl fmt::Debug for TransactionClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactionClient").field("trust_domain", &self.trust_domain()).finish_non_exhaustive()
    }
}
