//! The tokens of the service itself or of one caller, and how they are fetched.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use countersign_core::clock::Clock;

use super::callers::{Callers, Digest};
use super::exchanges::{Admission, Exchanges, Names, Place};
use super::token::OutboundToken;
use super::token_source::{TokenRequest, TokenSource};
use crate::authenticate::CallerToken;
use crate::fetch::in_span;
use crate::outbound::error::OutboundError;
use crate::refresh::{CachedValue, Fetch, FetchFuture, Fetched, RefreshCache, RefreshPolicy};
use crate::telemetry::{self, Sampler};

/// A token is not sent in its last seconds, so that it does not expire in transit; at most half of a short lifetime is unused.
const HARD_STOP: Duration = Duration::from_secs(10);

/// The time before the token service is asked again after a refusal.
const REFUSAL_COOL_DOWN: Duration = Duration::from_secs(5);

/// The time between two renewals after 401s; a service that refuses every token must not cause a flood of requests.
pub(super) const RENEWAL_COOL_DOWN: Duration = Duration::from_secs(10);

/// The memory of a cell besides its texts, in bytes. A test with a counting allocator compares it.
const CELL_BYTES: usize = 1_500;

/// One cached token, with a single flight.
#[derive(Clone)]
pub(super) struct Cell {
    pub(super) tokens: RefreshCache<OutboundToken, TokenFetch>,
    renewed_at: Arc<Mutex<Option<Duration>>>,
}

/// The parts that all cells of one binding share.
pub(super) struct Shared {
    pub(super) source: Arc<dyn TokenSource>,
    pub(super) clock: Arc<dyn Clock>,
    /// `None` asks the source at every call.
    pub(super) policy: Option<RefreshPolicy>,
    pub(super) used_for: String,
    pub(super) counters: Counters,
    pub(super) exchanges: Exchanges,
    /// Samples the events of failed fetches.
    pub(super) failed: Sampler,
    /// Samples the events of dropped tokens.
    pub(super) dropped: Sampler,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) fetches: AtomicU64,
    pub(super) refreshes: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) renewals: AtomicU64,
}

/// The caller that a cell belongs to, the shares that its exchanges count in, and the list that weighs it.
pub(super) struct Owner {
    pub(super) caller: CallerToken,
    pub(super) names: Names,
    pub(super) admission: Admission,
    pub(super) digest: Digest,
    pub(super) list: Weak<Mutex<Callers<Cell>>>,
}

/// Fetches one cell's tokens.
pub(super) struct TokenFetch {
    shared: Arc<Shared>,
    owner: Option<Owner>,
    /// The lifetime if none is stated, and the longest one.
    limits: (Duration, Duration),
}

impl Cell {
    pub(super) fn new(shared: &Arc<Shared>, owner: Option<Owner>) -> Self {
        let policy = shared.policy.clone().unwrap_or_else(RefreshPolicy::for_tokens);
        let limits = (policy.default_lifetime, policy.max_lifetime);
        let fetch = TokenFetch { shared: Arc::clone(shared), owner, limits };
        Cell { tokens: RefreshCache::new(fetch, policy, Arc::clone(&shared.clock)), renewed_at: Arc::default() }
    }

    pub(super) fn may_renew(&self, elapsed: Duration) -> bool {
        let mut renewed_at = self.renewed_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = renewed_at.is_none_or(|last| elapsed.saturating_sub(last) >= RENEWAL_COOL_DOWN);
        if is_due {
            *renewed_at = Some(elapsed);
        }
        is_due
    }
}

/// The bytes that a caller takes, with its token if it has one.
pub(super) fn cell_bytes(caller: &CallerToken, token: Option<&OutboundToken>) -> usize {
    CELL_BYTES + caller.expose().len() + token.map_or(0, OutboundToken::bytes)
}

impl TokenFetch {
    /// The place of a fetch that starts; the service's own tokens need none.
    fn place(&self) -> Result<Option<Place>, OutboundError> {
        let Some(owner) = &self.owner else { return Ok(None) };
        owner.admission.start(&self.shared.exchanges, owner.names)
    }
}

impl Fetch<OutboundToken> for TokenFetch {
    type Error = OutboundError;

    fn fetch(&self, current: Option<Arc<OutboundToken>>, _: bool) -> FetchFuture<OutboundToken, OutboundError> {
        let shared = Arc::clone(&self.shared);
        let subject = self.owner.as_ref().map(|owner| owner.caller.clone());
        let request = TokenRequest { subject, ..TokenRequest::default() };
        // Lifetimes start here, before the request is sent; the subject's remaining lifetime is also measured here.
        let now = shared.clock.now();
        let subject_left = request.subject.as_ref().map(|subject| subject.expires_at().saturating_since(now));
        let elapsed = shared.clock.elapsed();
        let place = self.place();
        let (default_lifetime, max_lifetime) = self.limits;
        Box::pin(async move {
            let _place = place?; // until the fetch ends, whoever waits for it
            let counters = &shared.counters;
            counters.fetches.fetch_add(1, Ordering::Relaxed);
            counters.refreshes.fetch_add(u64::from(current.is_some()), Ordering::Relaxed);
            let is_exchange = request.subject.is_some();
            let span = telemetry::token_fetch_span(&shared.used_for, is_exchange);
            let fetch = in_span(span, shared.source.token(&request), |error| error.code().into());
            let token = fetch.await.map_err(|error| {
                let error = error.with_context(format_args!(" (for {})", shared.used_for));
                counters.failures.fetch_add(1, Ordering::Relaxed);
                let failed = &shared.failed;
                error.set_logged(telemetry::token_fetch_failed(&shared.used_for, is_exchange, &error, failed, elapsed));
                error
            })?;
            telemetry::token_fetched(&shared.used_for, is_exchange, token.lifetime());
            let lifetime = token
                .lifetime()
                .unwrap_or(default_lifetime)
                .min(max_lifetime)
                .min(subject_left.unwrap_or(Duration::MAX));
            let sendable = lifetime.saturating_sub(HARD_STOP.min(lifetime / 2));
            Ok(Fetched { value: Arc::new(token), lifetime: Some(sendable) })
        })
    }

    /// Before the fetch, so that a refusal is no failure of the token service and causes no back-off.
    fn admit(&self, _: bool, _: bool, _: Duration) -> Result<(), Duration> {
        let Some(owner) = &self.owner else { return Ok(()) };
        owner.admission.take(&self.shared.exchanges, owner.names)
    }

    fn on_finish(&self, _: Option<&OutboundError>, _: bool, _: Option<&CachedValue<OutboundToken>>) {
        if let Some(owner) = &self.owner {
            owner.admission.end();
        }
    }

    fn timeout_error(&self) -> OutboundError {
        timed_out(None)
    }

    /// Weighs the caller again, with the new token.
    fn on_change(&self, cached: &CachedValue<OutboundToken>) {
        let Some(Owner { caller, digest, list, .. }) = &self.owner else { return };
        let Some(list) = list.upgrade() else { return };
        let (bytes, now) = (cell_bytes(caller, Some(&cached.value)), self.shared.clock.now());
        let removed = list.lock().unwrap_or_else(PoisonError::into_inner).resize(digest, bytes, now);
        drop(removed); // after the lock
    }

    fn retry_after(&self, error: &OutboundError) -> Option<Duration> {
        error.retry_after().or((!error.is_transient()).then_some(REFUSAL_COOL_DOWN))
    }
}

pub(super) fn timed_out(retry_after: Option<Duration>) -> OutboundError {
    OutboundError::unavailable("no token in time", retry_after)
}
