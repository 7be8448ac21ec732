//! The swap of the client's credential for a token that only the next service accepts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign::integration::Sampler;
use countersign::outbound::{AttachTokenLayer, OutboundBuilder, OutboundErrorKind, TokenSource};
use countersign_core::clock::{Clock as _, SystemClock};
use countersign_core::error::{ConfigError, Fault};
use countersign_core::integration::safe_text;
use countersign_core::policy::{OutboundConfig, Policy};
use countersign_core::verify::Verified;
use http::{Extensions, HeaderMap, Method};

use crate::attach::SwapRefusal;
use crate::begin::Begin;
use crate::counts::{SwapCounts, SwapOutcome};
use crate::exchange::Exchange;
#[cfg(feature = "issuer")]
use crate::mint::{InternalToken, Minter};
use crate::problem::Problem;
use crate::waits::Waits;

/// A swap: for the routes below a prefix, the client's credential is replaced by a token of the next service.
///
/// Either a token service exchanges the client's token (RFC 8693), or an embedded issuer mints the new one (`Swap::minted`, feature
/// `issuer`). The new token is a JWT with exactly the audience of the next service, the same subject, an actor, no more scopes than
/// the client's token, and at most 120 s, within the lifetime of the client's token. Any other answer of the token service refuses
/// the request: 502 `unsuitable_token`. If the token service is not available, the request gets 503.
///
/// A token that is bound to a key is only swapped if the new one is bound to the gateway's own key; each request then gets a proof
/// for the origin of the next service and the path, which that service checks. An API key cannot be exchanged (403), and can be
/// swapped for a minted token.
///
/// [`with_transaction`](Self::with_transaction) exchanges it for a transaction token, which all services behind take.
#[derive(Clone)]
pub struct Swap {
    prefix: String,
    audience: String,
    tokens: Tokens,
    records: Arc<Records>,
}

/// The source of the new tokens.
#[derive(Clone)]
enum Tokens {
    Exchanged(Box<Exchange>),
    #[cfg(feature = "issuer")]
    Minted(Arc<Minter>),
    Begun(Box<Begin>),
}

/// The records of a swap: counts, and samples of events that clients can cause any number of times.
#[derive(Debug, Default)]
struct Records {
    failed: Sampler,
    refused: Sampler,
    counts: SwapCounts,
}

impl Swap {
    /// The swap for the routes whose path is `prefix` or begins with it and a slash. `token` names the token service, the gateway's client
    /// there and one audience, and the `origin` of the next service.
    ///
    /// # Errors
    /// `ConfigError` with every fault of the settings.
    pub fn new(prefix: impl Into<String>, token: &OutboundConfig, policy: &Policy) -> Result<Self, ConfigError> {
        Self::within(prefix, token, policy, None)
    }

    /// As [`new`](Self::new), with this memory for tokens.
    pub(crate) fn within(
        prefix: impl Into<String>,
        token: &OutboundConfig,
        policy: &Policy,
        cache_bytes: Option<usize>,
    ) -> Result<Self, ConfigError> {
        let prefix = checked(prefix.into())?;
        let fault = |field: &str, problem: &'static str| ConfigError::new(format!("swap {prefix}: {field}"), problem);
        let names = token.audience.as_ref().map_or(&[][..], countersign_core::policy::AudienceList::names);
        let [audience] = names else {
            return Err(fault("audience", "not exactly one; name the service that the routes lead to"));
        };
        if token.token_file.is_some() {
            return Err(fault("token_file", "a file has no token of the caller; name a client that exchanges tokens"));
        }
        let mut bound = policy.clone();
        bound.outbound = vec![token.clone()];
        let bindings = AttachTokenLayer::builder().config(&bound);
        let bindings = cache_bytes.into_iter().fold(bindings, OutboundBuilder::caller_cache_bytes);
        let mut exchange = Exchange::new(&token.origin, audience, bindings)?;
        exchange.may_bind = token.is_bound_to_key();
        Ok(Swap::of(prefix, audience.clone(), Tokens::Exchanged(Box::new(exchange))))
    }

    /// The swap for the routes whose path is `prefix` or begins with it and a slash, by a source that exchanges tokens, such as
    /// [`ClientCredentials`](countersign::outbound::ClientCredentials). `origin` is that of the next service, and `audience` its name
    /// in the tokens.
    ///
    /// ```
    /// use countersign::outbound::ClientCredentials;
    /// use countersign::secret::Secret;
    /// use countersign_gateway::Swap;
    ///
    /// let tokens = ClientCredentials::from_issuer("https://sts.internal")
    ///     .client("gateway", Secret::from("from-the-vault"))
    ///     .audience("orders");
    /// let swap = Swap::exchanged("/orders", "https://orders.internal", "orders", tokens)?;
    /// # let _ = swap;
    /// # Ok::<(), countersign::error::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// `ConfigError` with every fault of the settings.
    pub fn exchanged(
        prefix: impl Into<String>,
        origin: impl Into<String>,
        audience: impl Into<String>,
        source: impl TokenSource,
    ) -> Result<Self, ConfigError> {
        let (prefix, origin, audience) = (checked(prefix.into())?, origin.into(), audience.into());
        let bindings = AttachTokenLayer::builder().bind(&origin, source);
        let exchange = Exchange::new(&origin, &audience, bindings)?;
        Ok(Swap::of(prefix, audience, Tokens::Exchanged(Box::new(exchange))))
    }

    /// The most requests that wait for a token at the same time; more get 503 `upstream_unavailable`. Default 2,048. It does not concern
    /// minted tokens.
    #[must_use]
    pub fn max_waiting(mut self, most: u32) -> Self {
        if let Some(waits) = self.waits_mut() {
            waits.set_places(most);
        }
        self
    }

    /// The longest wait for a token, after which a request gets 503 `upstream_unavailable`. Default 10 s. It does not concern minted
    /// tokens.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        if let Some(waits) = self.waits_mut() {
            waits.set_timeout(timeout);
        }
        self
    }

    /// Accepts tokens that name this client in place of an actor, from a token service that writes no `act`, such as Keycloak. The
    /// client is the gateway, whom services then know by `azp` or `client_id`. It does not concern minted tokens.
    #[must_use]
    pub fn client_as_actor(mut self, client: impl Into<String>) -> Self {
        if let Some(exchange) = self.exchange_mut() {
            exchange.client_as_actor = Some(client.into());
        }
        self
    }

    fn waits_mut(&mut self) -> Option<&mut Waits> {
        match &mut self.tokens {
            Tokens::Exchanged(exchange) => Some(&mut exchange.waits),
            #[cfg(feature = "issuer")]
            Tokens::Minted(_) => None,
            Tokens::Begun(begin) => Some(&mut begin.waits),
        }
    }

    fn exchange_mut(&mut self) -> Option<&mut Exchange> {
        match &mut self.tokens {
            Tokens::Exchanged(exchange) => Some(exchange),
            #[cfg(feature = "issuer")]
            Tokens::Minted(_) => None,
            Tokens::Begun(_) => None,
        }
    }

    /// The swap for the routes whose path is `prefix` or begins with it and a slash, by tokens that an embedded issuer mints in this
    /// process (feature `issuer`). [`InternalToken`] has an example.
    ///
    /// # Errors
    /// `ConfigError` with every fault of the settings.
    #[cfg(feature = "issuer")]
    pub fn minted(prefix: impl Into<String>, token: InternalToken) -> Result<Self, ConfigError> {
        let prefix = checked(prefix.into())?;
        let minter = Minter::new(token).map_err(|error| of_swap(&prefix, error))?;
        let audience = minter.audience().to_owned();
        Ok(Swap::of(prefix, audience, Tokens::Minted(Arc::new(minter))))
    }

    /// The swap for the routes whose path is `prefix` or begins with it and a slash, by transaction tokens
    /// (draft-ietf-oauth-transaction-tokens-10): each request begins a transaction with this scope, and its token goes to all services
    /// behind in the header `Txn-Token`.
    ///
    /// `token` is then the gateway's own token for the next service, which tells who sends the request. Its client requests the
    /// transaction token too. `policy` names the trust domain and its service in `transactions`. The details of the transaction are
    /// the method and the route.
    ///
    /// A transaction token is bound to no key, as nobody is identified by it: clients whose tokens are bound are taken too, after the
    /// layer has checked their proofs. A header `Txn-Token` of a client never passes.
    ///
    /// ```no_run
    /// use countersign::policy::Policy;
    /// use countersign_gateway::Swap;
    ///
    /// # fn swap(policy: Policy) -> Result<Swap, countersign::error::ConfigError> {
    /// let token = &policy.outbound[0]; // of the next service
    /// let swap = Swap::with_transaction("/orders", token, "orders:place", &policy)?;
    /// # Ok(swap)
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`new`](Self::new), on `transactions` if the policy names no trust domain and service, and on `scope` if it is empty.
    pub fn with_transaction(
        prefix: impl Into<String>,
        token: &OutboundConfig,
        scope: impl Into<String>,
        policy: &Policy,
    ) -> Result<Self, ConfigError> {
        let prefix = checked(prefix.into())?;
        let begin = Begin::new(token, &scope.into(), policy).map_err(|error| of_swap(&prefix, error))?;
        let audience = begin.trust_domain().to_owned();
        Ok(Swap::of(prefix, audience, Tokens::Begun(Box::new(begin))))
    }

    fn of(prefix: String, audience: String, tokens: Tokens) -> Self {
        Swap { prefix, audience, tokens, records: Arc::default() }
    }

    /// Returns whether a route with this path is one of it.
    pub(crate) fn covers(&self, path: &str) -> bool {
        self.prefix == "/"
            || path.strip_prefix(&self.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Returns whether its requests begin transactions.
    pub(crate) fn begins_transactions(&self) -> bool {
        matches!(self.tokens, Tokens::Begun(_))
    }

    /// Returns whether it needs the credential itself, and not only its claims.
    pub(crate) fn reads_credential(&self) -> bool {
        match &self.tokens {
            Tokens::Exchanged(_) | Tokens::Begun(_) => true,
            #[cfg(feature = "issuer")]
            Tokens::Minted(_) => false,
        }
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The headers of the new token, for a request of this caller with its method, its path and that of its route.
    pub(crate) async fn headers(
        &self,
        caller: &Verified,
        extensions: &Extensions,
        (method, path, route): (&Method, &str, &str),
    ) -> Result<HeaderMap, SwapRefusal> {
        let counts = &self.records.counts;
        let given = match &self.tokens {
            Tokens::Exchanged(exchange) => exchange.headers(caller, extensions.get(), method, path).await,
            #[cfg(feature = "issuer")]
            Tokens::Minted(minter) => minter.headers(caller, method, path).await,
            Tokens::Begun(begin) => {
                let headers = begin.headers(caller, extensions, (method, path, route)).await;
                headers.map(|headers| (headers, SwapOutcome::New))
            }
        };
        match &given {
            Ok((_, outcome)) => counts.count(*outcome),
            Err(SwapRefusal::Outbound(error)) => {
                let is_callers = error.kind() == OutboundErrorKind::SubjectExpired;
                counts.count(if is_callers { SwapOutcome::Refused } else { SwapOutcome::Failed });
            }
            Err(SwapRefusal::Problem(problem, detail)) => self.records.refused(&self.audience, *problem, detail),
        }
        given.map(|(headers, _)| headers)
    }

    #[cfg(any(feature = "metrics", feature = "otel"))]
    pub(crate) fn counts(&self) -> &SwapCounts {
        &self.records.counts
    }

    /// The requests to the token service, by result.
    #[cfg(any(feature = "metrics", feature = "otel"))]
    pub(crate) fn exchanges(&self) -> Vec<(&'static str, u64)> {
        match &self.tokens {
            Tokens::Exchanged(exchange) => {
                let stats = exchange.stats();
                vec![("ok", stats.fetches.saturating_sub(stats.failures)), ("failed", stats.failures)]
            }
            #[cfg(feature = "issuer")]
            Tokens::Minted(_) => Vec::new(),
            Tokens::Begun(_) => Vec::new(),
        }
    }

    /// The number of tokens in memory.
    #[cfg(any(feature = "metrics", feature = "otel"))]
    pub(crate) fn tokens(&self) -> usize {
        match &self.tokens {
            Tokens::Exchanged(exchange) => exchange.stats().callers,
            #[cfg(feature = "issuer")]
            Tokens::Minted(minter) => minter.tokens(),
            Tokens::Begun(_) => 0,
        }
    }
}

/// The error with the swap in the name of each field.
fn of_swap(prefix: &str, error: ConfigError) -> ConfigError {
    let named = |fault: &Fault| Fault::new(format!("swap {prefix}: {}", fault.field), fault.problem.clone());
    ConfigError::check(error.faults().iter().map(named).collect()).err().unwrap_or(error)
}

/// The prefix, if it is a path.
fn checked(prefix: String) -> Result<String, ConfigError> {
    if prefix.starts_with('/') && (prefix.len() == 1 || !prefix.ends_with('/')) {
        return Ok(prefix);
    }
    let problem = "not a path without a slash at its end; write one such as /orders";
    Err(ConfigError::new(format!("swap {}: prefix", safe_text(&prefix)), problem))
}

impl Records {
    fn refused(&self, audience: &str, problem: Problem, detail: &str) {
        let is_fault = problem.status.is_server_error();
        let (sampler, outcome) = match is_fault {
            true => (&self.failed, SwapOutcome::Failed),
            false => (&self.refused, SwapOutcome::Refused),
        };
        self.counts.count(outcome);
        let Some(unlogged) = sampler.admit(SystemClock.elapsed()) else { return };
        let code = problem.code;
        match is_fault {
            true => {
                tracing::error!(target: "countersign::gateway", audience, code, detail, unlogged, "no token for the next service");
            }
            false => {
                tracing::info!(target: "countersign::gateway", audience, code, detail, unlogged, "a credential was not swapped");
            }
        }
    }
}

impl fmt::Debug for Swap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Swap").field("prefix", &self.prefix).field("audience", &self.audience).finish_non_exhaustive()
    }
}
