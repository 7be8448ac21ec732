//! The client: origin, token, send, and at most one resend.

use std::fmt;
use std::sync::Arc;

use countersign_core::clock::Clock;
use countersign_core::error::ConfigError;
use http::HeaderMap;
use reqwest::{Client, Request, RequestBuilder, Response};

use super::binding::{Bindings, judge_second};
use super::current_caller::current_caller;
use super::error::{OutboundError, OutboundErrorKind};
use super::source::{TokenSource, TokenStats};
use super::trace::trace_of;
use crate::authenticate::CallerToken;

/// A [`reqwest::Client`] whose calls carry the right token, and whose tokens go only where they were bound to.
///
/// Keep one for the process: clones share its tokens. The example is at [`outbound`](super).
///
/// Where the wrapped client follows redirects, the token stays within its origin: reqwest drops it at any other scheme,
/// host or port, and it is not attached again.
#[derive(Clone)]
pub struct Outbound {
    client: Client,
    bindings: Bindings,
    subject: Option<CallerToken>,
    trace: Arc<HeaderMap>,
}

impl Outbound {
    /// Sends with `client`; nothing is bound yet.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Outbound { client, bindings: Bindings::new(), subject: None, trace: Arc::default() }
    }

    /// Judges the lives of tokens by this clock; it counts for what is bound after it.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.bindings.set_clock(clock);
        self
    }

    /// Gives requests to `origin` the tokens of `source`, kept and refreshed here.
    ///
    /// # Errors
    /// Where the origin is not `https` with a bare host and port (plain `http` is for loopback), is bound already, or the
    /// source is not complete.
    pub fn bind(mut self, origin: &str, source: impl TokenSource) -> Result<Self, ConfigError> {
        self.bindings.bind(origin, source)?;
        Ok(self)
    }

    /// The same client on behalf of a caller: his token is exchanged (RFC 8693) for one that the target accepts.
    ///
    /// Where the exchange fails, so does the call: the caller's own token is never forwarded. Cheap; make one a request.
    #[must_use]
    pub fn on_behalf_of(&self, caller: &CallerToken) -> Self {
        Outbound { subject: Some(caller.clone()), ..self.clone() }
    }

    /// The same client on behalf of the caller whose request this task serves, kept by
    /// [`ProvideCallerLayer`](super::ProvideCallerLayer).
    ///
    /// # Errors
    /// `no_caller` where there is none; the call is not made in the service's own name instead.
    pub fn on_behalf_of_current_caller(&self) -> Result<Self, OutboundError> {
        let caller = current_caller().ok_or_else(|| {
            OutboundError::new(
                OutboundErrorKind::NoCaller,
                "no caller was provided to this task; add ProvideCallerLayer, and keep_caller_token before it",
            )
        })?;
        Ok(self.on_behalf_of(&caller))
    }

    /// The same client for calls that belong to the trace of a request with these headers.
    ///
    /// Its `traceparent`, `tracestate` (W3C Trace Context) and `x-request-id` go along, each only where it is well formed
    /// and the outgoing request has none of its own. Nothing else does: no baggage, no identity (S10.11).
    #[must_use]
    pub fn in_trace_of(&self, headers: &HeaderMap) -> Self {
        Outbound { trace: Arc::new(trace_of(headers)), ..self.clone() }
    }

    /// What became of each binding's tokens, with its origin; in the order they were bound.
    #[must_use]
    pub fn stats(&self) -> Vec<(String, TokenStats)> {
        self.bindings.stats()
    }

    /// Sends `request` with its token. On a 401 that a new token may mend, fetches one and sends once more.
    ///
    /// A 401 that remains, and every other status, is an `Ok` answer.
    ///
    /// # Errors
    /// `origin_not_bound` and `authorization_already_set` (nothing was sent), `token_unavailable`, `token_refused` and
    /// `subject_expired` (no token, nothing was sent), `step_up_required`, `call_failed`.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, OutboundError> {
        self.execute(request.build().map_err(failed)?).await
    }

    /// As [`send`](Self::send), for a request that was built.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn execute(&self, mut request: Request) -> Result<Response, OutboundError> {
        for (name, value) in self.trace.iter() {
            request.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
        let (call, first) = self.bindings.begin(request, self.subject.as_ref()).await?;
        let response = self.client.execute(first).await.map_err(failed)?;
        if !call.may_mend(&response)? {
            return Ok(response);
        }
        let Some(again) = call.again().await else { return Ok(response) };
        let second = self.client.execute(again).await.map_err(failed)?;
        judge_second(&second)?;
        Ok(second)
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").field("origins", &self.bindings).finish_non_exhaustive()
    }
}

fn failed(error: reqwest::Error) -> OutboundError {
    let is_transient = error.is_timeout() || error.is_connect();
    OutboundError::call(error.without_url(), is_transient) // an address may hold what is not for logs
}
