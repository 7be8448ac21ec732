//! Cached tokens: one for the service and one per caller, each with a single flight.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::clock::Clock;
use countersign_core::error::Fault;
use countersign_core::integration::sha256;

use super::context::OutboundContext;
use super::token::OutboundToken;
use super::token_policy::policy_faults;
use super::token_source::{TokenRequest, TokenSource};
use crate::authenticate::CallerToken;
use crate::outbound::error::{OutboundError, OutboundErrorKind};
use crate::refresh::{Fetch, FetchFuture, Fetched, Outcome, RefreshCache, RefreshPolicy};
use crate::{rt, telemetry};

/// The number of callers with cached tokens; the least recently used one is removed.
const MAX_CALLERS: usize = 10_000;

/// A token is not sent in its last seconds, so that it does not expire in transit; at most half of a short lifetime is unused.
const HARD_STOP: Duration = Duration::from_secs(10);

/// The longest wait for a source without a cache, which has no policy of its own.
const UNCACHED_TIMEOUT: Duration = Duration::from_secs(10);

/// The time before the token service is asked again after a refusal.
const REFUSAL_COOL_DOWN: Duration = Duration::from_secs(5);

/// The time between two renewals after 401s; a service that refuses every token must not cause a flood of requests.
const RENEWAL_COOL_DOWN: Duration = Duration::from_secs(10);

/// A source with a cache of its tokens. Clones share it.
///
/// One source has one token service, client, audience and scope, so only the caller that a token was exchanged for
/// identifies it: by the SHA-256 of that caller's token.
#[derive(Clone)]
pub(in crate::outbound) struct CachedTokens(Arc<Inner>);

struct Inner {
    source: Arc<dyn TokenSource>,
    clock: Arc<dyn Clock>,
    /// `None` asks the source at every call.
    policy: Option<RefreshPolicy>,
    own: Cell,
    callers: Mutex<Callers>,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    used_for: String,
    fetches: AtomicU64,
    refreshes: AtomicU64,
    failures: AtomicU64,
    renewals: AtomicU64,
}

/// Statistics of one binding's tokens since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenStats {
    /// The number of token requests, refreshes included; sources without a cache are not counted.
    pub fetches: u64,
    /// The number of these that replaced a cached token.
    pub refreshes: u64,
    /// The number of these that failed.
    pub failures: u64,
    /// The number of tokens dropped because a service answered 401.
    pub renewals: u64,
    /// The number of callers with cached tokens.
    pub callers: usize,
    /// The time since the service's own token was requested, if one is cached.
    pub age: Option<Duration>,
}

#[derive(Default)]
struct Callers {
    cells: HashMap<[u8; 32], (Cell, u64)>,
    /// Counts look-ups: the larger, the later used.
    uses: u64,
}

#[derive(Clone)]
struct Cell {
    tokens: RefreshCache<OutboundToken, TokenFetch>,
    renewed_at: Arc<Mutex<Option<Duration>>>,
}

impl CachedTokens {
    /// `used_for` is the origin that the tokens are bound to; it identifies them in the log.
    pub(in crate::outbound) fn new(source: Arc<dyn TokenSource>, clock: Arc<dyn Clock>, used_for: &str) -> Self {
        let counters = Arc::new(Counters { used_for: used_for.to_owned(), ..Counters::default() });
        let policy = source.refresh_policy();
        let own = Cell::new(&source, &clock, policy.clone(), None, &counters);
        CachedTokens(Arc::new(Inner { source, clock, policy, own, callers: Mutex::default(), counters }))
    }

    pub(in crate::outbound) fn stats(&self) -> TokenStats {
        let Counters { fetches, refreshes, failures, renewals, .. } = &*self.0.counters;
        let current = self.0.own.tokens.cached();
        TokenStats {
            fetches: fetches.load(Ordering::Relaxed),
            refreshes: refreshes.load(Ordering::Relaxed),
            failures: failures.load(Ordering::Relaxed),
            renewals: renewals.load(Ordering::Relaxed),
            callers: self.callers().cells.len(),
            age: current.map(|entry| self.0.clock.elapsed().saturating_sub(entry.fetched_at)),
        }
    }

    /// The token for the service itself, or for `subject`'s behalf.
    pub(in crate::outbound) async fn token(
        &self,
        subject: Option<&CallerToken>,
    ) -> Result<Arc<OutboundToken>, OutboundError> {
        if let Some(subject) = subject
            && self.0.clock.now() >= subject.expires_at()
        {
            return Err(OutboundError::new(OutboundErrorKind::SubjectExpired, "the caller's token is over"));
        }
        if self.0.policy.is_none() {
            let request = TokenRequest { subject: subject.cloned() };
            let token = rt::within(UNCACHED_TIMEOUT, self.0.source.token(&request)).await;
            return token.unwrap_or_else(|| Err(timed_out(None))).map(Arc::new);
        }
        let cell = self.cell(subject);
        let token = cell.tokens.get().await.map_err(failure)?;
        if !token.is_outdated(self.0.clock.as_ref()) {
            return Ok(token);
        }
        cell.tokens.invalidate(&token);
        cell.tokens.get().await.map_err(failure)
    }

    /// Drops `sent` if it is still the cached token: a service refused it. Newer ones stay, and a service that refuses
    /// every token causes one renewal per cool-down.
    pub(in crate::outbound) fn reject(&self, subject: Option<&CallerToken>, sent: &Arc<OutboundToken>) {
        if self.0.policy.is_none() {
            return;
        }
        let cell = self.cell(subject);
        let is_current = cell.tokens.cached().is_some_and(|entry| Arc::ptr_eq(&entry.value, sent));
        if is_current && cell.may_renew(self.0.clock.elapsed()) {
            cell.tokens.invalidate(sent);
            self.0.counters.renewals.fetch_add(1, Ordering::Relaxed);
            telemetry::token_dropped(&self.0.counters.used_for);
        }
    }

    fn cell(&self, subject: Option<&CallerToken>) -> Cell {
        let Some(subject) = subject else { return self.0.own.clone() };
        let digest = sha256(subject.expose());
        let mut callers = self.callers();
        callers.uses += 1;
        let now_used = callers.uses;
        if let Some((cell, used)) = callers.cells.get_mut(&digest) {
            *used = now_used;
            return cell.clone();
        }
        if callers.cells.len() >= MAX_CALLERS {
            callers.make_room(self.0.clock.as_ref());
        }
        let cell =
            Cell::new(&self.0.source, &self.0.clock, self.0.policy.clone(), Some(subject.clone()), &self.0.counters);
        callers.cells.insert(digest, (cell.clone(), now_used));
        cell
    }

    fn callers(&self) -> MutexGuard<'_, Callers> {
        self.0.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Callers {
    /// Drops the callers whose tokens are expired; if there is none, the least recently used one.
    fn make_room(&mut self, clock: &dyn Clock) {
        let now = clock.now();
        self.cells.retain(|_, (cell, _)| cell.tokens.fetcher().subject_ends_after(now));
        if self.cells.len() >= MAX_CALLERS
            && let Some(oldest) = self.cells.iter().min_by_key(|(_, (_, used))| *used).map(|(digest, _)| *digest)
        {
            self.cells.remove(&oldest);
        }
    }
}

impl Cell {
    fn new(
        source: &Arc<dyn TokenSource>,
        clock: &Arc<dyn Clock>,
        policy: Option<RefreshPolicy>,
        subject: Option<CallerToken>,
        counters: &Arc<Counters>,
    ) -> Self {
        let policy = policy.unwrap_or_else(RefreshPolicy::for_tokens);
        let fetch = TokenFetch {
            source: Arc::clone(source),
            clock: Arc::clone(clock),
            request: TokenRequest { subject },
            limits: (policy.default_lifetime, policy.max_lifetime),
            counters: Arc::clone(counters),
        };
        Cell { tokens: RefreshCache::new(fetch, policy, Arc::clone(clock)), renewed_at: Arc::default() }
    }

    fn may_renew(&self, elapsed: Duration) -> bool {
        let mut renewed_at = self.renewed_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = renewed_at.is_none_or(|last| elapsed.saturating_sub(last) >= RENEWAL_COOL_DOWN);
        if is_due {
            *renewed_at = Some(elapsed);
        }
        is_due
    }
}

/// Fetches one cell's tokens.
struct TokenFetch {
    source: Arc<dyn TokenSource>,
    clock: Arc<dyn Clock>,
    request: TokenRequest,
    /// The lifetime if none is stated, and the longest one.
    limits: (Duration, Duration),
    counters: Arc<Counters>,
}

impl TokenFetch {
    fn subject_ends_after(&self, now: countersign_core::clock::UnixTime) -> bool {
        self.request.subject.as_ref().is_some_and(|subject| subject.expires_at() > now)
    }
}

impl Fetch<OutboundToken> for TokenFetch {
    type Error = OutboundError;

    fn fetch(&self, current: Option<Arc<OutboundToken>>, _: bool) -> FetchFuture<OutboundToken, OutboundError> {
        let (source, request) = (Arc::clone(&self.source), self.request.clone());
        // Lifetimes start here, before the request is sent; the subject's remaining lifetime is also measured here.
        let subject_left =
            request.subject.as_ref().map(|subject| subject.expires_at().saturating_since(self.clock.now()));
        let (counters, elapsed) = (Arc::clone(&self.counters), self.clock.elapsed());
        let (default_lifetime, max_lifetime) = self.limits;
        Box::pin(async move {
            counters.fetches.fetch_add(1, Ordering::Relaxed);
            counters.refreshes.fetch_add(u64::from(current.is_some()), Ordering::Relaxed);
            let is_exchange = request.subject.is_some();
            let token = source.token(&request).await.inspect_err(|error| {
                counters.failures.fetch_add(1, Ordering::Relaxed);
                telemetry::token_fetch_failed(&counters.used_for, is_exchange, error, elapsed);
            })?;
            telemetry::token_fetched(&counters.used_for, is_exchange, token.lifetime());
            let lifetime = token
                .lifetime()
                .unwrap_or(default_lifetime)
                .min(max_lifetime)
                .min(subject_left.unwrap_or(Duration::MAX));
            let sendable = lifetime.saturating_sub(HARD_STOP.min(lifetime / 2));
            Ok(Fetched { value: Arc::new(token), lifetime: Some(sendable) })
        })
    }

    fn timeout_error(&self) -> OutboundError {
        timed_out(None)
    }

    fn retry_after(&self, error: &OutboundError) -> Option<Duration> {
        error.retry_after().or((!error.is_transient()).then_some(REFUSAL_COOL_DOWN))
    }
}

/// Attaches `source` to `context`, and returns all faults of its settings.
pub(in crate::outbound) fn attach_source(source: &Arc<dyn TokenSource>, context: &OutboundContext) -> Vec<Fault> {
    let mut faults = source.attach(context);
    faults.extend(source.refresh_policy().iter().flat_map(policy_faults));
    faults
}

impl fmt::Debug for CachedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedTokens").field("source", &self.0.source).finish_non_exhaustive()
    }
}

/// The error of a call whose token could not be fetched.
fn failure(outcome: Outcome<OutboundError>) -> OutboundError {
    match outcome {
        Outcome::Failed { error: Some(error), .. } => error,
        Outcome::Failed { retry_after, .. } => timed_out(Some(retry_after)),
        Outcome::Refreshed | Outcome::Deferred { .. } => timed_out(None),
    }
}

fn timed_out(retry_after: Option<Duration>) -> OutboundError {
    OutboundError::unavailable("no token in time", retry_after)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use countersign_core::clock::UnixTime;
    use countersign_core::secret::Secret;
    use countersign_test::ManualClock;

    use super::super::token_source::TokenFuture;
    use super::*;

    #[derive(Debug, Default)]
    struct Counting(AtomicUsize);

    impl TokenSource for Counting {
        fn token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
            let count = self.0.fetch_add(1, Ordering::SeqCst);
            let subject = request.subject.as_ref().map_or("own", |subject| subject.expose());
            let value = Secret::from(format!("{subject}-{count}"));
            Box::pin(async move { OutboundToken::from_bearer(&value, Some(Duration::from_secs(300))) })
        }
    }

    fn cached() -> (CachedTokens, Arc<Counting>, ManualClock) {
        let source = Arc::new(Counting::default());
        let clock = ManualClock::new(UnixTime::from_secs(1000));
        (CachedTokens::new(Arc::clone(&source) as _, Arc::new(clock.clone()), "test"), source, clock)
    }

    fn caller(name: &str, expires_at: u64) -> CallerToken {
        CallerToken::new(name, UnixTime::from_secs(expires_at))
    }

    #[tokio::test]
    async fn s7_13_the_callers_are_bounded_and_the_longest_unused_goes() {
        let (cached, source, _) = cached();
        for number in 0..MAX_CALLERS {
            cached.token(Some(&caller(&number.to_string(), 2000))).await.expect("a token");
        }
        cached.token(Some(&caller("0", 2000))).await.expect("used again");
        cached.token(Some(&caller("one-more", 2000))).await.expect("a token");
        assert_eq!(cached.callers().cells.len(), MAX_CALLERS);
        let before = source.0.load(Ordering::SeqCst);
        cached.token(Some(&caller("0", 2000))).await.expect("still cached");
        assert_eq!(source.0.load(Ordering::SeqCst), before);
        cached.token(Some(&caller("1", 2000))).await.expect("fetched again");
        assert_eq!(source.0.load(Ordering::SeqCst), before + 1);
    }

    #[tokio::test]
    async fn s7_13_an_exchanged_token_never_outlives_its_subject() {
        let (cached, source, clock) = cached();
        let subject = caller("ann", 1005);
        cached.token(Some(&subject)).await.expect("a token");
        clock.advance(Duration::from_secs(1));
        cached.token(Some(&subject)).await.expect("the same");
        assert_eq!(source.0.load(Ordering::SeqCst), 1);
        clock.advance(Duration::from_secs(4));
        let error = cached.token(Some(&subject)).await.expect_err("over");
        assert_eq!((error.code(), source.0.load(Ordering::SeqCst)), ("subject_expired", 1));
    }

    #[tokio::test]
    async fn a_token_is_not_sent_in_its_last_ten_seconds() {
        let (cached, _, clock) = cached();
        let first = cached.token(None).await.expect("a token");
        clock.advance(Duration::from_secs(290));
        let second = cached.token(None).await.expect("another");
        assert_ne!(first.header(), second.header());
    }

    #[tokio::test]
    async fn s7_18_an_older_token_does_not_invalidate_a_newer() {
        let (cached, source, clock) = cached();
        let first = cached.token(None).await.expect("a token");
        cached.reject(None, &first);
        let second = cached.token(None).await.expect("a newer");
        clock.advance(RENEWAL_COOL_DOWN * 2);
        cached.reject(None, &first);
        assert_eq!(cached.token(None).await.expect("the same").header(), second.header());
        assert_eq!(source.0.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn s7_12_callers_and_the_service_share_nothing() {
        let (cached, _, _) = cached();
        for (subject, expected) in
            [(Some("ann"), "Bearer ann-0"), (Some("bob"), "Bearer bob-1"), (None, "Bearer own-2")]
        {
            let subject = subject.map(|name| caller(name, 2000));
            let token = cached.token(subject.as_ref()).await.expect("a token");
            assert_eq!(token.header().to_str().ok(), Some(expected));
        }
    }

    /// A source of the user's own that hangs and has no cache.
    #[derive(Debug)]
    struct Hanging;

    impl TokenSource for Hanging {
        fn token<'a>(&'a self, _: &'a TokenRequest) -> TokenFuture<'a> {
            Box::pin(std::future::pending())
        }

        fn refresh_policy(&self) -> Option<RefreshPolicy> {
            None
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_hangs_ends_with_an_error() {
        let clock = Arc::new(ManualClock::new(UnixTime::from_secs(1000)));
        let error = CachedTokens::new(Arc::new(Hanging), clock, "test").token(None).await.expect_err("in time");
        assert!(error.is_transient(), "{error}");
    }

    #[tokio::test]
    async fn a_token_signed_here_is_signed_again_when_the_wall_clock_is_set() {
        let signer = countersign_core::mint::Signer::generate(countersign_core::key::Algorithm::ES256).expect("a key");
        let source = super::super::SelfSignedToken::new("https://orders.test", signer).subject("orders").audience("b");
        let clock = ManualClock::new(UnixTime::from_secs(1_700_000_000));
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        assert!(source.attach(&OutboundContext::new(Arc::clone(&shared))).is_empty());
        let cached = CachedTokens::new(Arc::new(source), shared, "test");
        let mut sent = Vec::new();
        for wall in [1_700_000_000, 1_700_000_100, 1_699_990_000, 1_700_100_000] {
            clock.step_wall(UnixTime::from_secs(wall));
            sent.push(cached.token(None).await.expect("a token"));
        }
        assert!(Arc::ptr_eq(&sent[0], &sent[1]), "it is valid by the new time too");
        assert!(!Arc::ptr_eq(&sent[1], &sent[2]), "issued in the future");
        assert!(!Arc::ptr_eq(&sent[2], &sent[3]), "expired");
    }
}
