//! Cached tokens: one for the service and one per caller, each with a single flight.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::clock::Clock;
use countersign_core::error::Fault;
use countersign_core::integration::sha256;

use super::callers::{Callers, NewCaller};
use super::cell::{Cell, Counters, Owner, Shared, cell_bytes, timed_out};
use super::context::OutboundContext;
use super::exchanges::{Admission, Exchanges};
use super::party::Party;
use super::token::OutboundToken;
use super::token_policy::policy_faults;
use super::token_source::{TokenRequest, TokenSource};
use crate::authenticate::CallerToken;
use crate::outbound::error::{OutboundError, OutboundErrorKind};
use crate::refresh::Outcome;
use crate::telemetry::Sampler;
use crate::{rt, telemetry};

/// The memory for the cached tokens of callers, for each binding.
pub(in crate::outbound) const CALLER_CACHE_BYTES: usize = 64 * 1024 * 1024;

/// The longest wait for a source without a cache, which has no policy of its own.
const UNCACHED_TIMEOUT: Duration = Duration::from_secs(10);

/// A source with a cache of its tokens. Clones share it.
///
/// One source has one token service, client, audience and scope, so only the caller that a token was exchanged for
/// identifies it: by the SHA-256 of that caller's token.
#[derive(Clone)]
pub(in crate::outbound) struct CachedTokens(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    own: Cell,
    callers: Arc<Mutex<Callers<Cell>>>,
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
    /// The memory of these callers and their tokens, in bytes.
    pub caller_bytes: usize,
    /// The time since the service's own token was requested, if one is cached.
    pub age: Option<Duration>,
}

impl CachedTokens {
    /// `used_for` is the origin that the tokens are bound to; it identifies them in the log.
    pub(in crate::outbound) fn new(
        source: Arc<dyn TokenSource>,
        clock: Arc<dyn Clock>,
        used_for: &str,
        caller_cache_bytes: usize,
    ) -> Self {
        let policy = source.refresh_policy();
        let (used_for, counters) = (used_for.to_owned(), Counters::default());
        let (exchanges, failed, dropped) = (Exchanges::new(), Sampler::new(), Sampler::new());
        let shared = Arc::new(Shared { source, clock, policy, used_for, counters, exchanges, failed, dropped });
        let own = Cell::new(&shared, None);
        CachedTokens(Arc::new(Inner { shared, own, callers: Arc::new(Mutex::new(Callers::new(caller_cache_bytes))) }))
    }

    pub(in crate::outbound) fn stats(&self) -> TokenStats {
        let Counters { fetches, refreshes, failures, renewals } = &self.0.shared.counters;
        let current = self.0.own.tokens.cached();
        let callers = self.callers();
        TokenStats {
            fetches: fetches.load(Ordering::Relaxed),
            refreshes: refreshes.load(Ordering::Relaxed),
            failures: failures.load(Ordering::Relaxed),
            renewals: renewals.load(Ordering::Relaxed),
            callers: callers.len(),
            caller_bytes: callers.bytes(),
            age: current.map(|entry| self.0.shared.clock.elapsed().saturating_sub(entry.fetched_at)),
        }
    }

    /// The token for the service itself, or for `subject`'s behalf.
    pub(in crate::outbound) async fn token(
        &self,
        subject: Option<&CallerToken>,
    ) -> Result<Arc<OutboundToken>, OutboundError> {
        let Shared { source, clock, policy, exchanges, .. } = &*self.0.shared;
        if let Some(subject) = subject
            && clock.now() >= subject.expires_at()
        {
            return Err(OutboundError::new(OutboundErrorKind::SubjectExpired, "the caller's token is over"));
        }
        if policy.is_none() {
            let request = TokenRequest { subject: subject.cloned(), ..TokenRequest::default() };
            let counted = subject.filter(|_| source.may_wait());
            let _place = counted.map(|subject| exchanges.place(&Party::of(subject))).transpose()?;
            let token = rt::within(UNCACHED_TIMEOUT, source.token(&request)).await;
            return token.unwrap_or_else(|| Err(timed_out(None))).map(Arc::new);
        }
        let cell = self.cell(subject);
        let token = cell.tokens.get().await.map_err(failure)?;
        if !token.is_outdated(clock.as_ref()) {
            return Ok(token);
        }
        cell.tokens.invalidate(&token);
        cell.tokens.get().await.map_err(failure)
    }

    /// Drops `sent` if it is still the cached token: a service refused it. Newer ones stay, and a service that refuses
    /// every token causes one renewal per cool-down.
    pub(in crate::outbound) fn reject(&self, subject: Option<&CallerToken>, sent: &Arc<OutboundToken>) {
        let Shared { clock, policy, used_for, counters, dropped, .. } = &*self.0.shared;
        if policy.is_none() {
            return;
        }
        let cell = self.cell(subject);
        let is_current = cell.tokens.cached().is_some_and(|entry| Arc::ptr_eq(&entry.value, sent));
        if is_current && cell.may_renew(clock.elapsed()) {
            cell.tokens.invalidate(sent);
            counters.renewals.fetch_add(1, Ordering::Relaxed);
            telemetry::token_dropped(used_for, dropped, clock.elapsed());
        }
    }

    fn cell(&self, subject: Option<&CallerToken>) -> Cell {
        let Some(subject) = subject else { return self.0.own.clone() };
        let digest = sha256(subject.expose());
        if let Some(cell) = self.callers().get(&digest) {
            return cell.clone();
        }
        let party = Party::of(subject);
        let owner = Owner {
            caller: subject.clone(),
            names: self.0.shared.exchanges.names(&party),
            admission: Admission::default(),
            digest,
            list: Arc::downgrade(&self.0.callers),
        };
        let cell = Cell::new(&self.0.shared, Some(owner));
        let (bytes, expires_at) = (cell_bytes(subject, None), subject.expires_at());
        let now = self.0.shared.clock.now();
        let mut callers = self.callers();
        if let Some(cell) = callers.get(&digest) {
            return cell.clone(); // added meanwhile
        }
        let removed = callers.insert(digest, NewCaller { value: cell.clone(), party, bytes, expires_at }, now);
        drop(callers);
        drop(removed);
        cell
    }

    fn callers(&self) -> MutexGuard<'_, Callers<Cell>> {
        self.0.callers.lock().unwrap_or_else(PoisonError::into_inner)
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
        f.debug_struct("CachedTokens").field("source", &self.0.shared.source).finish_non_exhaustive()
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use countersign_core::clock::UnixTime;
    use countersign_core::secret::Secret;
    use countersign_test::ManualClock;

    use super::super::cell::RENEWAL_COOL_DOWN;
    use super::super::token_source::TokenFuture;
    use super::*;
    use crate::refresh::RefreshPolicy;

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
        (
            CachedTokens::new(Arc::clone(&source) as _, Arc::new(clock.clone()), "test", CALLER_CACHE_BYTES),
            source,
            clock,
        )
    }

    fn caller(name: &str, expires_at: u64) -> CallerToken {
        CallerToken::new(name, UnixTime::from_secs(expires_at))
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
        clock.step_wall(UnixTime::from_secs(1000));
        cached.token(Some(&subject)).await.expect("the token service decides");
        assert_eq!(source.0.load(Ordering::SeqCst), 2, "a clock that is set back prolongs no exchanged token");
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
        let error = CachedTokens::new(Arc::new(Hanging), clock, "test", 0).token(None).await.expect_err("in time");
        assert!(error.is_transient(), "{error}");
    }

    #[tokio::test]
    async fn a_token_signed_here_is_signed_again_when_the_wall_clock_is_set() {
        let signer = countersign_core::mint::Signer::generate(countersign_core::key::Algorithm::ES256).expect("a key");
        let source = super::super::SelfSignedToken::new("https://orders.test", signer).subject("orders").audience("b");
        let clock = ManualClock::new(UnixTime::from_secs(1_700_000_000));
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        assert!(source.attach(&OutboundContext::new(Arc::clone(&shared))).is_empty());
        let cached = CachedTokens::new(Arc::new(source), shared, "test", 0);
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
