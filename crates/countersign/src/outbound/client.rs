//! The client: origin, token, send, and at most one resend.

use std::fmt;
use std::sync::Arc;

use countersign_core::clock::{Clock, SystemClock};
use countersign_core::error::ConfigError;
use http::{HeaderMap, StatusCode};
use reqwest::{Client, Request, RequestBuilder, Response};

use super::attach::{attach, refuse_if_set};
use super::challenge::Challenge;
use super::error::{OutboundError, OutboundErrorKind};
use super::origin::Origin;
use super::present::present_caller;
use super::replay::Replay;
use super::source::{Cached, OutboundToken, TokenSource, TokenStats};
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
    bindings: Vec<Binding>,
    clock: Arc<dyn Clock>,
    subject: Option<CallerToken>,
    trace: Arc<HeaderMap>,
}

#[derive(Clone)]
struct Binding {
    origin: Origin,
    tokens: Cached,
}

impl Outbound {
    /// Sends with `client`; nothing is bound yet.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Outbound { client, bindings: Vec::new(), clock: Arc::new(SystemClock), subject: None, trace: Arc::default() }
    }

    /// Judges the lives of tokens by this clock; it counts for what is bound after it.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Gives requests to `origin` the tokens of `source`, kept and refreshed here.
    ///
    /// # Errors
    /// Where the origin is not `https` with a bare host and port (plain `http` is for loopback), is bound already, or the
    /// source is not complete.
    pub fn bind(mut self, origin: &str, source: impl TokenSource) -> Result<Self, ConfigError> {
        let mut faults = source.faults();
        match Origin::parse(origin) {
            Err(fault) => faults.push(fault),
            Ok(origin) if self.bindings.iter().any(|binding| binding.origin == origin) => {
                faults
                    .push(countersign_core::error::Fault::new("origin", "bound twice; bind one source to each origin"));
            }
            Ok(origin) => {
                let tokens = Cached::new(Arc::new(source), Arc::clone(&self.clock));
                self.bindings.push(Binding { origin, tokens });
            }
        }
        ConfigError::check(faults)?;
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
    pub fn on_behalf_of_present_caller(&self) -> Result<Self, OutboundError> {
        let caller = present_caller().ok_or_else(|| {
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
        self.bindings.iter().map(|binding| (binding.origin.to_string(), binding.tokens.stats())).collect()
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
        let Binding { origin, tokens } = self.binding(&request)?;
        refuse_if_set(request.headers(), origin)?;
        let sent = tokens.token(self.subject.as_ref()).await?;
        let Replay { first, again } = Replay::of(request);
        let response = self.send_with(first, &sent).await?;
        // A 401 of another origin, after a redirect, says nothing of a token that never went there.
        if response.status() != StatusCode::UNAUTHORIZED || !origin.holds(response.url()) {
            return Ok(response);
        }
        match Challenge::of(response.headers()) {
            Challenge::Other => return Ok(response),
            Challenge::StepUp(step_up) => return Err(OutboundError::step_up(step_up)),
            Challenge::Renew => tokens.reject(self.subject.as_ref(), &sent),
        }
        let Some(again) = again else { return Ok(response) };
        match tokens.token(self.subject.as_ref()).await {
            Ok(newer) if newer.header() != sent.header() => judge(self.send_with(again, &newer).await?),
            _ => Ok(response), // no other token: the answer stands
        }
    }

    async fn send_with(&self, mut request: Request, token: &OutboundToken) -> Result<Response, OutboundError> {
        attach(request.headers_mut(), token);
        self.client.execute(request).await.map_err(failed)
    }

    fn binding(&self, request: &Request) -> Result<&Binding, OutboundError> {
        self.bindings.iter().find(|binding| binding.origin.holds(request.url())).ok_or_else(not_bound)
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origins: Vec<_> = self.bindings.iter().map(|binding| &binding.origin).collect();
        f.debug_struct("Outbound").field("origins", &origins).finish_non_exhaustive()
    }
}

pub(super) fn not_bound() -> OutboundError {
    OutboundError::new(OutboundErrorKind::OriginNotBound, "no token source is bound to the request's origin; bind one")
}

/// The second answer: a step-up is an error here too, all else is the caller's to read.
fn judge(response: Response) -> Result<Response, OutboundError> {
    match response.status() {
        StatusCode::UNAUTHORIZED => match Challenge::of(response.headers()) {
            Challenge::StepUp(step_up) => Err(OutboundError::step_up(step_up)),
            Challenge::Renew | Challenge::Other => Ok(response),
        },
        _ => Ok(response),
    }
}

fn failed(error: reqwest::Error) -> OutboundError {
    let is_transient = error.is_timeout() || error.is_connect();
    OutboundError::call(error.without_url(), is_transient) // an address may hold what is not for logs
}
