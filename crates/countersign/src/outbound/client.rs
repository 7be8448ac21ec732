//! The client that sends requests with the tokens of their origins.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::error::ConfigError;
use countersign_core::policy::{OutboundConfig, Policy};
#[cfg(feature = "txn")]
use countersign_core::verify::TransactionToken;
use http::HeaderMap;
use reqwest::{Client, ClientBuilder, Request, RequestBuilder, Response, redirect};

use super::binding::Bindings;
use super::builder::OutboundBuilder;
use super::current_caller::current_caller;
#[cfg(feature = "txn")]
use super::current_caller::current_transaction;
use super::error::{OutboundError, OutboundErrorKind};
use super::retry::{Transport, send_with_retry};
use super::source::TokenStats;
use super::trace::trace_of;
use super::transaction::CallTransaction;
use crate::authenticate::CallerToken;
use crate::fetch::{self, CallClients, FetchFailure};

/// The time limit for connecting, of the client that is made for a policy.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The time limit for one call, of the client that is made for a policy.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A [`reqwest::Client`] that attaches tokens, and sends each token only to the origin that it is bound to.
///
/// Keep one for the process; clones share its tokens. The example is at [`outbound`](super).
///
/// If the wrapped client follows redirects, the token stays within its origin: reqwest removes it when the scheme, host
/// or port changes, and it is not attached again. Tokens that are bound to a key need a client that
/// [follows no redirects](OutboundBuilder::client_follows_no_redirects).
#[derive(Clone)]
pub struct Outbound {
    client: Client,
    /// The clients that send, if they are made for a policy.
    calls: Option<CallClients>,
    bindings: Bindings,
    subject: Option<CallerToken>,
    transaction: CallTransaction,
    trace: Arc<HeaderMap>,
}

impl Outbound {
    /// Starts an outbound client that sends with `client`.
    pub fn builder(client: Client) -> OutboundBuilder<Self> {
        Self::sending(client, None)
    }

    fn sending(client: Client, calls: Option<CallClients>) -> OutboundBuilder<Self> {
        let finish = |bindings| {
            let (subject, transaction, trace) = (None, CallTransaction::default(), Arc::default());
            Outbound { client, calls, bindings, subject, transaction, trace }
        };
        OutboundBuilder::new(true, finish)
    }

    /// A client for the bindings of a policy, with the same file or environment as the verifier.
    ///
    /// It connects within 5 s and limits each call to 30 s. Calls to loopback use no proxy. The files of the policy's
    /// `connection` are read again every 10 s; if they cannot be used, what was read last counts for a minute, and calls then
    /// fail. If any binding has tokens that are bound to a key, or forwards
    /// transaction tokens, it follows no redirects. For a client of your own, there is [`OutboundBuilder::config`].
    ///
    /// ```
    /// use countersign::outbound::Outbound;
    /// use countersign::policy::Policy;
    ///
    /// let policy = Policy::from_json(
    ///     r#"{
    ///         "issuers": [{ "issuer": "https://id.example.com", "audience": "orders" }],
    ///         "outbound": [{
    ///             "origin": "https://billing.internal", "client": "orders", "secret_file": "/run/secrets/orders-client",
    ///             "audience": "billing"
    ///         }]
    ///     }"#,
    /// )?;
    /// let outbound = Outbound::from_config(&policy)?;
    /// let request = outbound.client().get("https://billing.internal/invoices");
    /// let call = outbound.send(request);
    /// # drop(call);
    /// # Ok::<(), countersign::error::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// As [`OutboundBuilder::build`]; and if a binding lacks its client, secret or issuer, or an environment variable is unset.
    pub fn from_config(policy: &Policy) -> Result<Self, ConfigError> {
        let is_for_origin = |binding: &OutboundConfig| binding.is_bound_to_key() || binding.forward_transaction;
        let has_bound_tokens = policy.outbound.iter().any(is_for_origin);
        let settings = fetch::settings(policy.connection.as_ref())?;
        let calls = CallClients::new(settings, if has_bound_tokens { without_redirects } else { limited });
        let calls = calls.map_err(|fault| ConfigError::new(fault.field, fault.problem))?;
        let builder = Self::sending(calls.proxied(), Some(calls)).config(policy);
        if has_bound_tokens { builder.client_follows_no_redirects() } else { builder }.build()
    }

    /// The wrapped client, to build requests with. Requests that it sends itself carry no token.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The same client on behalf of a caller, whose token is exchanged (RFC 8693) for one that the target accepts.
    ///
    /// If the exchange fails, the call fails too; the caller's own token is never forwarded. It is cheap: make one for
    /// each request.
    #[must_use]
    pub fn on_behalf_of(&self, caller: &CallerToken) -> Self {
        Outbound { subject: Some(caller.clone()), ..self.clone() }
    }

    /// The same client on behalf of the caller whose request this task serves, as stored by
    /// [`ProvideCallerLayer`](super::ProvideCallerLayer).
    ///
    /// # Errors
    /// `no_caller` if this task serves no caller. The call is not made in the service's own name instead.
    pub fn on_behalf_of_current_caller(&self) -> Result<Self, OutboundError> {
        let caller = current_caller().ok_or_else(|| {
            OutboundError::new(
                OutboundErrorKind::NoCaller,
                "this task has no caller; add ProvideCallerLayer, and keep_caller_token before it",
            )
        })?;
        Ok(self.on_behalf_of(&caller))
    }

    /// The same client for calls that belong to a transaction. Its token is forwarded, unmodified, to the origins that
    /// [get it](OutboundBuilder::forward_transaction), and to no other.
    ///
    /// It is cheap: make one for each request.
    #[cfg(feature = "txn")]
    #[must_use]
    pub fn in_transaction(&self, transaction: &TransactionToken) -> Self {
        Outbound { transaction: CallTransaction::Within(transaction.clone()), ..self.clone() }
    }

    /// The same client for calls that belong to no transaction, such as those of a task in the background.
    #[cfg(feature = "txn")]
    #[must_use]
    pub fn without_transaction(&self) -> Self {
        Outbound { transaction: CallTransaction::None, ..self.clone() }
    }

    /// The same client for calls that belong to the transaction of the request which this task serves, as stored by
    /// [`ProvideCallerLayer`](super::ProvideCallerLayer).
    ///
    /// # Errors
    /// `no_transaction` if this task serves no request with one.
    #[cfg(feature = "txn")]
    pub fn in_current_transaction(&self) -> Result<Self, OutboundError> {
        let transaction = current_transaction().ok_or_else(|| {
            OutboundError::new(
                OutboundErrorKind::NoTransaction,
                "this task has no transaction; add ProvideCallerLayer, and transaction_tokens before it",
            )
        })?;
        Ok(self.in_transaction(&transaction))
    }

    /// The same client for calls that belong to the trace of a request with these headers.
    ///
    /// It forwards `traceparent`, `tracestate` (W3C Trace Context) and `x-request-id`, each if it is well formed and the
    /// outgoing request does not set it. It forwards nothing else: no baggage and no identity.
    #[must_use]
    pub fn in_trace_of(&self, headers: &HeaderMap) -> Self {
        Outbound { trace: Arc::new(trace_of(headers)), ..self.clone() }
    }

    /// Counts of each binding's tokens, with its origin, in the order of binding.
    #[must_use]
    pub fn stats(&self) -> Vec<(String, TokenStats)> {
        self.bindings.stats()
    }

    /// Sends `request` with its token. After a 401 that a new token may fix, fetches one and sends once more. After a 401 that
    /// demands a nonce in the proof of a bound token, sends once more with it.
    ///
    /// A 401 that remains, and every other status, is an `Ok` response.
    ///
    /// # Errors
    /// `origin_not_bound` and `authorization_already_set` (nothing was sent), `token_unavailable`, `token_refused`,
    /// `token_not_bound`, `subject_expired` and `forwarding_refused` (no token, nothing was sent), `proof_not_signed`,
    /// `redirects_followed`, `no_transaction` and `transaction_expired` (nothing was sent), `step_up_required`, `call_failed`.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, OutboundError> {
        self.execute(request.build().map_err(call_failed)?).await
    }

    /// Sends a request that is already built, as [`send`](Self::send) does.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn execute(&self, mut request: Request) -> Result<Response, OutboundError> {
        for (name, value) in self.trace.iter() {
            request.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
        send_with_retry(&self.bindings, (self.subject.as_ref(), &self.transaction), self, request).await
    }
}

impl Transport for &Outbound {
    type Error = OutboundError;

    async fn send(&mut self, request: Request) -> Result<Response, OutboundError> {
        let sent = match &self.calls {
            None => self.client.execute(request).await,
            Some(calls) => calls.for_url(request.url()).await.map_err(not_connected)?.execute(request).await,
        };
        sent.map_err(call_failed)
    }

    fn error(error: OutboundError) -> OutboundError {
        error
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").field("origins", &self.bindings).finish_non_exhaustive()
    }
}

fn limited() -> ClientBuilder {
    Client::builder().connect_timeout(CONNECT_TIMEOUT).timeout(CALL_TIMEOUT)
}

fn without_redirects() -> ClientBuilder {
    limited().redirect(redirect::Policy::none())
}

fn not_connected(failure: FetchFailure) -> OutboundError {
    let context = format!(": {failure}");
    OutboundError::call(failure, true).with_context(context)
}

fn call_failed(error: reqwest::Error) -> OutboundError {
    let is_transient = error.is_timeout() || error.is_connect();
    OutboundError::call(error.without_url(), is_transient) // a URL may hold secrets
}
