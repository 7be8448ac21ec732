//! Origins, each with its tokens, and one call by one of them: sent, and once more where a new token may help.

use std::fmt;
use std::sync::Arc;

use countersign_core::clock::{Clock, SystemClock};
use countersign_core::error::{ConfigError, Fault};
use reqwest::{Request, Response, StatusCode};

use super::attach::{attach, refuse_if_set};
use super::challenge::Challenge;
use super::error::{OutboundError, OutboundErrorKind};
use super::origin::Origin;
use super::replay::{Replay, Twin};
use super::source::{Cached, OutboundToken, TokenSource, TokenStats};
use crate::authenticate::CallerToken;

/// Which origin gets which tokens. Clones share the tokens.
#[derive(Clone)]
pub(super) struct Bindings {
    bound: Vec<Binding>,
    clock: Arc<dyn Clock>,
}

#[derive(Clone)]
struct Binding {
    origin: Origin,
    tokens: Cached,
}

/// A call on its way: what was sent, and what would be sent once more.
pub(super) struct Call<'b> {
    binding: &'b Binding,
    subject: Option<&'b CallerToken>,
    sent: Arc<OutboundToken>,
    again: Option<Twin>,
}

impl Bindings {
    pub(super) fn new() -> Self {
        Bindings { bound: Vec::new(), clock: Arc::new(SystemClock) }
    }

    /// Counts for what is bound after it.
    pub(super) fn set_clock(&mut self, clock: Arc<dyn Clock>) {
        self.clock = clock;
    }

    pub(super) fn bind(&mut self, origin: &str, source: impl TokenSource) -> Result<(), ConfigError> {
        let mut faults = source.faults();
        match Origin::parse(origin) {
            Err(fault) => faults.push(fault),
            Ok(origin) if self.bound.iter().any(|binding| binding.origin == origin) => {
                faults.push(Fault::new("origin", "bound twice; bind one source to each origin"));
            }
            Ok(origin) => {
                let tokens = Cached::new(Arc::new(source), Arc::clone(&self.clock), &origin.to_string());
                self.bound.push(Binding { origin, tokens });
            }
        }
        ConfigError::check(faults)
    }

    pub(super) fn stats(&self) -> Vec<(String, TokenStats)> {
        self.bound.iter().map(|binding| (binding.origin.to_string(), binding.tokens.stats())).collect()
    }

    /// The request with its token, and the call that it begins.
    pub(super) async fn begin<'b>(
        &'b self,
        request: Request,
        subject: Option<&'b CallerToken>,
    ) -> Result<(Call<'b>, Request), OutboundError> {
        let binding = self.bound.iter().find(|binding| binding.origin.holds(request.url())).ok_or_else(not_bound)?;
        refuse_if_set(request.headers(), &binding.origin)?;
        let sent = binding.tokens.token(subject).await?;
        let Replay { mut first, again } = Replay::of(request);
        attach(first.headers_mut(), &sent);
        Ok((Call { binding, subject, sent, again }, first))
    }
}

impl Call<'_> {
    /// Whether another token may mend this answer; the one that was sent is dropped then.
    pub(super) fn may_mend(&self, response: &Response) -> Result<bool, OutboundError> {
        // A 401 of another origin, after a redirect, says nothing of a token that never went there.
        if response.status() != StatusCode::UNAUTHORIZED || !self.binding.origin.holds(response.url()) {
            return Ok(false);
        }
        match Challenge::of(response.headers()) {
            Challenge::Other => Ok(false),
            Challenge::StepUp(step_up) => Err(OutboundError::step_up(step_up)),
            Challenge::Renew => {
                self.binding.tokens.reject(self.subject, &self.sent);
                Ok(true)
            }
        }
    }

    /// The request once more, with another token; `None` where there is none, or the body is gone: the answer stands.
    pub(super) async fn again(self) -> Option<Request> {
        let again = self.again?;
        let newer = self.binding.tokens.token(self.subject).await.ok()?;
        (newer.header() != self.sent.header()).then(|| {
            let mut again = again.into_request();
            attach(again.headers_mut(), &newer);
            again
        })
    }
}

/// The second answer: a step-up is an error here too, all else is the caller's to read.
pub(super) fn judge_second(response: &Response) -> Result<(), OutboundError> {
    if response.status() == StatusCode::UNAUTHORIZED
        && let Challenge::StepUp(step_up) = Challenge::of(response.headers())
    {
        return Err(OutboundError::step_up(step_up));
    }
    Ok(())
}

pub(super) fn not_bound() -> OutboundError {
    OutboundError::new(OutboundErrorKind::OriginNotBound, "no token source is bound to the request's origin; bind one")
}

impl fmt::Debug for Bindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.bound.iter().map(|binding| &binding.origin)).finish()
    }
}
