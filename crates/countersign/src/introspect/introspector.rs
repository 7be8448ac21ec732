//! The answers about opaque tokens: cached, asked for once at a time, and within bounds.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::clock::{Clock, SourceClock};
use countersign_core::error::{Fault, VerifyError};
use countersign_core::integration::{
    Counter, DigestCache, DigestKey, KeyedDigest, Standing, has_same_authorities, is_vouched_now, verified_bytes,
    view_of, vouch_again,
};
use countersign_core::secret::Secret;
use countersign_core::token::CredentialKind;
use countersign_core::verify::{Verified, Verifier};

use super::asking::{Asking, NoAnswer};
use super::question::{Account, Answered, Granted, Questions, Waiter};
use super::reading::Reading;
use super::settings::Introspection;
use super::token_form::{is_signed_token, may_be_signed_token};
use crate::rt;
use crate::telemetry::{self, Sampler};

/// The `Retry-After` if nothing states another.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The time for which a token counts as one that was good before, after its last active answer.
const REMEMBER_GOOD: Duration = Duration::from_secs(3_600);

/// The mean memory of a caller, which sizes the table, in bytes.
const MEAN_CALLER: usize = 1_024;

/// The mean memory of a refusal, and that of the name of an account, in bytes.
const MEAN_SMALL: usize = 128;

/// The account of tokens that were never good.
const NEVER_GOOD: &str = "";

/// The answer about a token, at once or later.
pub(crate) enum Asked {
    Known(Answered),
    Pending(Pin<Box<dyn Future<Output = Answered> + Send>>),
}

/// Introspection as one layer uses it. Clones share caches and bounds.
#[derive(Clone)]
pub(crate) struct Introspector(Arc<Inner>);

/// A caller in the cache.
struct Active {
    verified: Arc<Verified>,
    /// The question is being asked again before the answer ends. All views share it.
    is_renewed: Arc<AtomicBool>,
}

impl Active {
    fn view(this: &Arc<Self>) -> Arc<Self> {
        Arc::new(Active { verified: view_of(&this.verified), is_renewed: Arc::clone(&this.is_renewed) })
    }
}

struct Inner {
    settings: Introspection,
    asking: Asking,
    reading: Reading,
    clock: Arc<dyn Clock>,
    key: DigestKey,
    active: DigestCache<Active>,
    refused: DigestCache<VerifyError>,
    /// The accounts of tokens that were good.
    good: DigestCache<Arc<str>>,
    questions: Mutex<Questions>,
    sample: Sampler,
    from_cache: Counter,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    asked: AtomicU64,
    failed: AtomicU64,
    impossible: AtomicU64,
}

/// The numbers of an introspection since its layer was built; made by
/// [`AuthenticateLayer::introspection_stats`](crate::authenticate::AuthenticateLayer::introspection_stats).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntrospectionStats {
    /// Answers from the cache, active or not.
    pub from_cache: u64,
    /// Requests to the endpoint.
    pub asked: u64,
    /// Requests without a usable answer.
    pub failed: u64,
    /// Tokens of impossible form, refused without asking.
    pub impossible: u64,
    /// Tokens in the cache that are active.
    pub active: usize,
    /// Tokens in the cache that are refused.
    pub refused: usize,
    /// Tokens that wait to be asked about.
    pub waiting: usize,
}

impl Introspector {
    /// Introspection for a layer with this verifier.
    ///
    /// # Errors
    /// The faults of the settings.
    pub(crate) fn new(settings: &Introspection, verifier: &Verifier) -> Result<Self, Vec<Fault>> {
        let mut faults = settings.faults(verifier);
        let clock = SourceClock::default();
        faults.extend(clock.attach(verifier.clock()));
        let asking = Asking::new(settings, clock).filter(|_| faults.is_empty()).ok_or(faults)?;
        Ok(Introspector(Arc::new(Inner {
            asking,
            reading: Reading {
                verifier: verifier.clone(),
                issuer: settings.issuer.clone(),
                absent_audience: settings.absent_audience.clone(),
                signed_for: settings.client.as_ref().filter(|_| settings.requires_signed).map(|(id, _)| id.clone()),
            },
            clock: Arc::clone(verifier.clock()),
            key: DigestKey::random(),
            active: DigestCache::shared_by(settings.cache_bytes, MEAN_CALLER, Active::view),
            refused: DigestCache::new(settings.cache_bytes / 16, MEAN_SMALL),
            good: DigestCache::new(settings.cache_bytes / 4, MEAN_SMALL),
            questions: Mutex::new(Questions::new(settings.max_concurrent, settings.timeout)),
            sample: Sampler::new(),
            from_cache: Counter::default(),
            counts: Counts::default(),
            settings: settings.clone(),
        })))
    }

    /// Returns whether a token has no resemblance to a signed one, and is for the endpoint.
    #[inline]
    pub(crate) fn takes_at_sight(&self, token: &str) -> bool {
        !may_be_signed_token(token)
    }

    /// Returns whether a token that the verifier did not find in its cache is for the endpoint.
    pub(crate) fn takes(&self, token: &str) -> bool {
        !is_signed_token(token)
    }

    /// Returns whether the endpoint is also asked about signed tokens of this issuer.
    pub(crate) fn also_asks(&self, verified: &Verified) -> bool {
        self.0.settings.asks_about_signed && verified.issuer() == self.0.settings.issuer
    }

    /// Asks about a token, if it may be one.
    pub(crate) fn ask(&self, token: &str) -> Asked {
        let inner = &self.0;
        let digest = inner.key.digest(token);
        if let Some(outcome) = inner.cached(digest, Some(token)) {
            return Asked::Known(outcome);
        }
        if let Some(problem) = inner.settings.problem(token) {
            inner.counts.impossible.fetch_add(1, Ordering::Relaxed);
            return Asked::Known(Err(VerifyError::impossible(problem)));
        }
        inner.begin(digest, Secret::from(token))
    }

    /// Asks about a signed token that was verified here.
    pub(crate) fn ask_about_signed(&self, token: &str) -> Asked {
        let digest = self.0.key.digest(token);
        match self.0.cached(digest, Some(token)) {
            Some(outcome) => Asked::Known(outcome),
            None => self.0.begin(digest, Secret::from(token)),
        }
    }

    /// Returns whether the endpoint still vouches for the caller of this token, and with the same authorities. An endpoint that
    /// cannot be asked now ends nothing.
    pub(crate) async fn still_vouches(&self, token: &str, verified: &Verified) -> bool {
        let answered = match self.ask_about_signed(token) {
            Asked::Known(answered) => answered,
            Asked::Pending(answered) => answered.await,
        };
        match answered {
            Ok(again) => verified.token_kind() == CredentialKind::Signed || has_same_authorities(&again, verified),
            Err(error) => error.is_unavailable(),
        }
    }

    /// The issuer of its tokens.
    pub(crate) fn issuer(&self) -> &str {
        &self.0.settings.issuer
    }

    pub(crate) fn stats(&self) -> IntrospectionStats {
        let inner = &self.0;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        IntrospectionStats {
            from_cache: inner.from_cache.sum(),
            asked: read(&inner.counts.asked),
            failed: read(&inner.counts.failed),
            impossible: read(&inner.counts.impossible),
            active: inner.active.len(),
            refused: inner.refused.len(),
            waiting: inner.questions().waiting(),
        }
    }
}

impl Introspection {
    /// The reason why a token cannot be one of the issuer's.
    fn problem(&self, token: &str) -> Option<&'static str> {
        let (shortest, longest) = self.token_bytes;
        if !(shortest..=longest).contains(&token.len()) {
            return Some("an opaque token of this issuer has another length");
        }
        let has_prefix =
            self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| token.starts_with(prefix.as_str()));
        (!has_prefix).then_some("an opaque token of this issuer begins otherwise")
    }
}

impl Inner {
    /// The answer in a cache. `token` is asked about again before an active answer ends.
    #[inline]
    fn cached(self: &Arc<Self>, digest: KeyedDigest, token: Option<&str>) -> Option<Answered> {
        let elapsed = self.clock.elapsed();
        if let Some((active, ends_at)) = self.active.get(digest, elapsed)
            && let Some(answered) = self.current(digest, &active, ends_at)
        {
            self.from_cache.increment();
            if let Some(token) = token.filter(|_| ends_at.saturating_sub(elapsed) < self.settings.max_age / 4) {
                self.renew(digest, &active, token);
            }
            return Some(answered);
        }
        let (error, _) = self.refused.get(digest, elapsed)?;
        self.from_cache.increment();
        Some(Err(VerifyError::clone(&error)))
    }

    /// The caller, if the rules in force still accept it.
    #[inline]
    fn current(&self, digest: KeyedDigest, active: &Active, ends_at: Duration) -> Option<Answered> {
        if is_vouched_now(&self.reading.verifier, &active.verified) {
            return Some(Ok(Arc::clone(&active.verified)));
        }
        self.active.remove(digest);
        match vouch_again(&self.reading.verifier, &active.verified) {
            Ok(again) => {
                self.keep(digest, &again, ends_at);
                Some(Ok(again))
            }
            Err(_) => None, // it expired, or the endpoint knows more
        }
    }

    fn keep(&self, digest: KeyedDigest, verified: &Arc<Verified>, ends_at: Duration) {
        let active = Active { verified: Arc::clone(verified), is_renewed: Arc::default() };
        self.active.insert(digest, Arc::new(active), verified_bytes(verified), ends_at);
    }

    #[cold]
    fn renew(self: &Arc<Self>, digest: KeyedDigest, active: &Active, token: &str) {
        if !active.is_renewed.swap(true, Ordering::Relaxed) {
            let account = self.account(digest);
            let _ = self.questions().join(digest, &Secret::from(token), &account, self.clock.elapsed());
            self.start_next();
        }
    }

    fn account(&self, digest: KeyedDigest) -> Account {
        match self.good.get(digest, self.clock.elapsed()) {
            Some((group, _)) => Account { group: Arc::clone(&group), standing: Standing::Known },
            None => Account { group: Arc::from(NEVER_GOOD), standing: Standing::New },
        }
    }

    fn begin(self: &Arc<Self>, digest: KeyedDigest, token: Secret<String>) -> Asked {
        let inner = Arc::clone(self);
        Asked::Pending(Box::pin(async move { inner.answer(digest, token).await }))
    }

    async fn answer(self: Arc<Self>, digest: KeyedDigest, token: Secret<String>) -> Answered {
        let waiter = match self.join(digest, &token) {
            Ok(waiter) => waiter,
            Err(outcome) => return outcome,
        };
        self.start_next();
        // The request itself has the same limit, and ends a little earlier.
        match rt::within(self.settings.timeout + RETRY_AFTER / 4, waiter.answer()).await.flatten() {
            Some(outcome) => outcome,
            None => Err(VerifyError::not_introspected(RETRY_AFTER, "the token could not be asked about in time")),
        }
    }

    /// Joins the question about a token. The cache is read again, because its answer may have come meanwhile.
    fn join(self: &Arc<Self>, digest: KeyedDigest, token: &Secret<String>) -> Result<Waiter, Answered> {
        let account = self.account(digest);
        let mut questions = self.questions();
        if let Some(outcome) = self.cached(digest, None) {
            return Err(outcome);
        }
        questions.join(digest, token, &account, self.clock.elapsed()).map_err(|rest| {
            let rest = rest.max(RETRY_AFTER);
            Err(VerifyError::not_introspected(rest, "the introspection endpoint failed a moment ago"))
        })
    }

    /// Asks the next questions, as many as the bound allows.
    fn start_next(self: &Arc<Self>) {
        loop {
            let granted = self.questions().next(self.clock.elapsed());
            let Some(granted) = granted else { return };
            rt::spawn(Arc::clone(self).run(granted));
        }
    }

    /// Asks a question, and then the next ones. Boxed, because it starts itself again.
    fn run(self: Arc<Self>, Granted { question, permit }: Granted) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            self.counts.asked.fetch_add(1, Ordering::Relaxed);
            let asked = async {
                let answer = self.asking.ask(&question.token).await?;
                self.reading.read(&answer).await
            };
            let result = rt::within(self.settings.timeout, asked).await;
            let result = result.unwrap_or_else(|| Err(NoAnswer::new("no answer in time")));
            let outcome = self.settle(question.digest, result);
            self.questions().end(&question);
            question.publish(outcome);
            drop(permit);
            self.start_next();
        })
    }

    /// Caches an answer.
    fn settle(&self, digest: KeyedDigest, result: Result<Answered, NoAnswer>) -> Answered {
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(NoAnswer { detail, retry_after, is_of_endpoint }) => {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                telemetry::introspection_failed(&self.settings.issuer, &detail, &self.sample, elapsed);
                let pause = retry_after.unwrap_or(RETRY_AFTER);
                if is_of_endpoint {
                    self.questions().pause(elapsed, pause);
                }
                if let Some((active, _)) = self.active.get(digest, elapsed) {
                    active.is_renewed.store(false, Ordering::Relaxed); // the next request asks again
                }
                let error = VerifyError::not_introspected(pause.max(RETRY_AFTER), detail);
                // This token at least is not asked about again at once.
                let bytes = size_of::<VerifyError>() + error.detail().len();
                self.refused.insert(digest, Arc::new(error.clone()), bytes, elapsed.saturating_add(RETRY_AFTER));
                return Err(error);
            }
        };
        self.questions().resume();
        match &outcome {
            Ok(verified) => {
                let left = verified.expires_at().saturating_since(now);
                let ends_at = elapsed.saturating_add(left.min(self.settings.max_age));
                self.keep(digest, verified, ends_at);
                self.refused.remove(digest);
                let client = verified.client_id().filter(|id| !id.is_empty());
                let account =
                    client.map_or_else(|| format!("+subject {}", verified.subject()), |id| format!("+client {id}"));
                let account: Arc<str> = account.into();
                let bytes = account.len() + size_of::<Arc<str>>();
                self.good.insert(digest, Arc::new(account), bytes, elapsed.saturating_add(REMEMBER_GOOD));
            }
            Err(error) => {
                self.active.remove(digest);
                self.good.remove(digest);
                let bytes = size_of::<VerifyError>() + error.detail().len();
                let ends_at = elapsed.saturating_add(self.settings.inactive_age);
                self.refused.insert(digest, Arc::new(error.clone()), bytes, ends_at);
            }
        }
        outcome
    }

    fn questions(&self) -> MutexGuard<'_, Questions> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Introspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspector").field("issuer", &self.0.settings.issuer).finish_non_exhaustive()
    }
}
