//! A policy that follows signed bundles.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::bundle::{Bundle, BundleVerifier};
use countersign_core::clock::{Clock, UnixTime};
use countersign_core::error::{ConfigError, Fault};
use countersign_core::integration::sha256;
use countersign_core::policy::{Fingerprint, Policy};
#[cfg(feature = "txn")]
use countersign_core::verify::TransactionVerifier;
use countersign_core::verify::Verifier;
use http::HeaderValue;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::last_good;
use super::report::BundleReport;
use super::settings::PolicyBundle;
use super::source::{Pulled, Source, fault};
use crate::refresh::RefreshPolicy;
use crate::reload::in_force::InForce;
use crate::reload::shadow::{ShadowReport, ShadowWatch};
use crate::{rt, telemetry};

/// The shortest pause between two pulls that hints cause.
const MIN_PAUSE: Duration = Duration::from_secs(1);

/// A policy in force, which follows its [`PolicyBundle`].
///
/// ```no_run
/// use countersign::bundle::BundleVerifier;
/// use countersign::reload::PolicyBundle;
///
/// # async fn example(pins: BundleVerifier) -> Result<(), countersign::error::ConfigError> {
/// let policy = PolicyBundle::from_file("/etc/orders/policy.jws", pins).build().await?;
/// println!("revision {}", policy.revision());
/// policy.hint(); // such as on a message of the deployment: the next pull comes sooner
/// println!("created at {}", policy.report().created_at);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct BundledPolicy {
    verifier: Verifier,
    watch: Arc<Watch>,
}

struct Watch {
    source: Source,
    bundles: BundleVerifier,
    last_good: Option<PathBuf>,
    clock: Arc<dyn Clock>,
    interval: Duration,
    pauses: RefreshPolicy,
    policy: InForce,
    shadow: Option<(ShadowWatch, Source)>,
    /// One pull at a time.
    turn: tokio::sync::Mutex<()>,
    hint: Notify,
    state: Mutex<State>,
}

struct State {
    current: Current,
    fingerprint: Fingerprint,
    /// The validator of the bundle in force.
    etag: Option<HeaderValue>,
    /// Failed pulls in a row, and the pause that the server asked for.
    failures: u32,
    retry_after: Duration,
    /// The last document or failure that was logged.
    logged: Option<Logged>,
    /// True if the file of the last good bundle has the one in force.
    is_kept: bool,
    last_good_error: Option<String>,
    pulled_at: Option<UnixTime>,
}

/// The bundle in force.
struct Current {
    text: String,
    bundle: Bundle,
    since: UnixTime,
}

/// A document or failure that was logged.
#[derive(PartialEq, Eq)]
enum Logged {
    Document([u8; 32]),
    Failure(String),
}

impl PolicyBundle {
    /// Pulls the bundle, builds the verifier and goes on pulling. That ends with the last clone of the verifier.
    ///
    /// If the source is down, the last good bundle is in force. The wait is at most 10 s for each.
    ///
    /// # Errors
    /// `ConfigError` on fields `policy_bundle` and `last_good` if neither has a usable bundle; on `interval`, `url`,
    /// `connection`, `bundle_keys` if a setting is not sound; on `runtime` outside a tokio runtime; and as for
    /// [`VerifierBuilder::build`](countersign_core::verify::VerifierBuilder::build).
    pub async fn build(self) -> Result<BundledPolicy, ConfigError> {
        ConfigError::check(self.faults())?;
        BundledPolicy::start(self).await
    }
}

impl BundledPolicy {
    async fn start(settings: PolicyBundle) -> Result<Self, ConfigError> {
        let PolicyBundle { source, bundles, last_good, interval, clock, keys, denies_danger, shadow } = settings;
        let start = |bundle: &Bundle| {
            InForce::start(Policy::clone(bundle.policy()), Arc::clone(&keys), denies_danger, Arc::clone(&clock))
        };
        let kept = match &last_good {
            Some(path) => last_good::read(path, &bundles).await.inspect_err(|problem| {
                telemetry::last_good_unusable(path, problem);
            }),
            None => Ok(None),
        };
        let known = kept.as_ref().ok().and_then(Option::as_ref);
        let pulled = match source.pull(None).await {
            Ok(Pulled::Document(text, etag)) => first(&bundles, &text, known.map(|(_, bundle)| bundle), clock.now())
                .and_then(|bundle| start(&bundle).map(|started| (text, bundle, etag, started))),
            Ok(Pulled::Unchanged) => Err(fault("the server has nothing new, and nothing is known")),
            Err(failure) => Err(failure.error),
        };
        let (text, bundle, etag, (verifier, policy), error) = match pulled {
            Ok((text, bundle, etag, started)) => (text, bundle, etag, started, None),
            Err(error) => {
                let kept = match kept {
                    Ok(Some((text, bundle))) => bundle
                        .check_times(clock.now())
                        .map_err(|refused| refused.to_string())
                        .and_then(|()| start(&bundle).map_err(|refused| refused.to_string()))
                        .map(|started| (text, bundle, started)),
                    Ok(None) if last_good.is_some() => Err("there is no such file yet".to_owned()),
                    Ok(None) => Err("not set; name a file that keeps the last good bundle".to_owned()),
                    Err(problem) => Err(problem),
                };
                let (text, bundle, started) = kept.map_err(|problem| neither(&error, problem))?;
                telemetry::bundle_not_pulled(&source.shown(), &error);
                (text, bundle, None, started, Some(error))
            }
        };
        policy.record(error.clone());
        let is_pulled = error.is_none();
        let state = State {
            current: Current { text, since: verifier.policy_since(), bundle },
            fingerprint: verifier.fingerprint(),
            etag,
            failures: u32::from(!is_pulled),
            retry_after: Duration::ZERO,
            logged: error.as_ref().map(|error| Logged::Failure(error.to_string())),
            is_kept: !is_pulled,
            last_good_error: None,
            pulled_at: is_pulled.then(|| clock.now()),
        };
        let pauses = RefreshPolicy::default().initial_backoff(MIN_PAUSE.min(interval)).max_backoff(interval);
        let (turn, hint, state) = (tokio::sync::Mutex::default(), Notify::new(), Mutex::new(state));
        let shadow = shadow.map(|settings| {
            let watch = ShadowWatch::new(settings);
            let mut shadow_source = watch.source();
            if let Some(settings) = source.connection() {
                shadow_source.set_connection(settings.clone());
            }
            (watch, shadow_source)
        });
        let watch =
            Arc::new(Watch { source, bundles, last_good, clock, interval, pauses, policy, shadow, turn, hint, state });
        watch.keep_last_good().await;
        watch.pull_shadow(false).await;
        rt::spawn(follow(Following(Arc::clone(&watch))));
        Ok(BundledPolicy { verifier, watch })
    }

    /// The verifier, for layers, [`Health`](crate::health::Health) and others: all of its clones follow the bundles.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The verifier of transaction tokens, if the first policy named their service. All of its clones follow the bundles, except for
    /// the trust domain: another one, or none, is refused like a faulty policy.
    #[cfg(feature = "txn")]
    #[must_use]
    pub fn transactions(&self) -> Option<&TransactionVerifier> {
        self.watch.policy.transactions()
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.watch.policy.policy()
    }

    /// The revision in force.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.watch.state().current.bundle.revision()
    }

    /// Makes the next pull come sooner, at most one a second however often it is called.
    ///
    /// A hint states nothing else, so it may come from anywhere: a message, a webhook.
    pub fn hint(&self) {
        self.watch.hint.notify_one();
    }

    /// Pulls now, such as on a signal of the operator. Returns whether another revision is in force.
    ///
    /// # Errors
    /// The reason why there is no usable bundle; the last good one stays in force.
    pub async fn pull(&self) -> Result<bool, ConfigError> {
        self.watch.pull().await
    }

    /// The differences that the shadow policy would make; `None` without one.
    #[must_use]
    pub fn shadow(&self) -> Option<ShadowReport> {
        self.watch.shadow.as_ref().map(|(shadow, _)| shadow.report(&self.verifier))
    }

    /// The bundle in force here. [`Verifier::policy_error`](countersign_core::verify::Verifier::policy_error) tells why no newer one
    /// is; with the feature `fleet`, a [`FleetReport`](crate::fleet::FleetReport) has both.
    #[must_use]
    pub fn report(&self) -> BundleReport {
        let state = self.watch.state();
        let current = &state.current;
        let mut report = BundleReport::new(&current.bundle, current.since, self.watch.clock.now());
        report.source = self.watch.source.shown();
        report.last_good_error = state.last_good_error.clone();
        report.pulled_at = state.pulled_at.map(UnixTime::as_secs);
        drop(state);
        report
    }
}

/// The bundle of `text`, for a start: not older than the one that was kept.
fn first(bundles: &BundleVerifier, text: &str, kept: Option<&Bundle>, now: UnixTime) -> Result<Bundle, ConfigError> {
    let bundle = bundles.verify(text, now)?;
    if let Some(kept) = kept {
        bundle.replaces(kept)?;
    }
    Ok(bundle)
}

/// The error of a start without any usable bundle.
fn neither(pulled: &ConfigError, kept: String) -> ConfigError {
    let faults = pulled.faults().iter().cloned().chain([Fault::new("last_good", kept)]).collect();
    match ConfigError::check(faults) {
        Err(error) => error,
        Ok(()) => fault("not usable"),
    }
}

impl Watch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pull(self: &Arc<Self>) -> Result<bool, ConfigError> {
        let _turn = self.turn.lock().await;
        let known = self.state().etag.clone();
        let (result, logged) = match self.source.pull(known.as_ref()).await {
            Ok(pulled) => {
                let now = self.clock.now();
                {
                    let mut state = self.state();
                    (state.failures, state.retry_after, state.pulled_at) = (0, Duration::ZERO, Some(now));
                }
                match pulled {
                    Pulled::Unchanged => self.unchanged(now),
                    Pulled::Document(text, etag) => self.take(text, etag, now),
                }
            }
            Err(failure) => {
                let mut state = self.state();
                state.failures = state.failures.saturating_add(1);
                state.retry_after = failure.retry_after.unwrap_or_default();
                let logged = Logged::Failure(failure.error.to_string());
                (Err(failure.error), logged)
            }
        };
        self.record(&result, logged);
        self.keep_last_good().await;
        if result == Ok(true) {
            self.policy.fetch_new_keys().await;
        }
        self.pull_shadow(result == Ok(true)).await;
        result
    }

    /// Pulls the shadow policy, which changes no result. One whose revision is in force, or an older one, is not compared.
    async fn pull_shadow(&self, is_replaced: bool) {
        let Some((shadow, source)) = &self.shadow else { return };
        let read = match source.pull(None).await {
            Ok(Pulled::Document(text, _)) => Ok(Some(text)),
            Ok(Pulled::Unchanged) => Err(fault("the server has nothing new, and nothing is known")),
            Err(failure) if failure.is_missing => Ok(None),
            Err(failure) => Err(failure.error),
        };
        let (now, in_force) = (self.clock.now(), self.state().current.bundle.revision());
        let is_other = shadow.take(&self.policy, read, is_replaced, |text| {
            let bundle = self.bundles.verify_shadow(text, now)?;
            let next = bundle.revision() > in_force;
            Ok(next.then(|| (Policy::clone(bundle.policy()), Some(bundle.revision()))))
        });
        if is_other {
            self.policy.fetch_shadow_keys().await;
        }
    }

    /// The bundle in force is the latest. It stays when its time is over, but not unnoticed.
    fn unchanged(&self, now: UnixTime) -> (Result<bool, ConfigError>, Logged) {
        let state = self.state();
        let result = state.current.bundle.check_times(now).map(|()| false).map_err(ConfigError::from);
        (result, Logged::Document(sha256(&state.current.text)))
    }

    /// Puts the bundle of `text` in force; returns whether it is another one.
    fn take(&self, text: String, etag: Option<HeaderValue>, now: UnixTime) -> (Result<bool, ConfigError>, Logged) {
        if text == self.state().current.text {
            self.state().etag = etag;
            return self.unchanged(now);
        }
        let logged = Logged::Document(sha256(&text));
        let result = self.replace(text, etag, now);
        (result, logged)
    }

    fn replace(&self, text: String, etag: Option<HeaderValue>, now: UnixTime) -> Result<bool, ConfigError> {
        let bundle = self.bundles.verify(&text, now)?;
        if !bundle.replaces(&self.state().current.bundle)? {
            self.state().etag = etag; // the same content, signed again
            return Ok(false);
        }
        let replaced = self.policy.replace(Policy::clone(bundle.policy()))?;
        let mut state = self.state();
        let fingerprint = replaced.unwrap_or(state.fingerprint);
        telemetry::bundle_replaced(&self.source.shown(), bundle.revision(), &fingerprint);
        (state.current, state.fingerprint) = (Current { text, bundle, since: now }, fingerprint);
        (state.etag, state.is_kept) = (etag, false);
        Ok(true)
    }

    /// Records the result for `Health` and reports. It is logged once until it changes.
    fn record(&self, result: &Result<bool, ConfigError>, logged: Logged) {
        let error = result.as_ref().err().cloned();
        self.policy.record(error.clone());
        let mut state = self.state();
        let Some(error) = error else {
            if state.logged.take().is_some() {
                telemetry::bundle_usable(&self.source.shown());
            }
            return;
        };
        let is_document = matches!(logged, Logged::Document(_));
        if state.logged.as_ref() == Some(&logged) {
            return;
        }
        state.logged = Some(logged);
        drop(state);
        match is_document {
            true => telemetry::bundle_refused(&self.source.shown(), &error),
            false => telemetry::bundle_not_pulled(&self.source.shown(), &error),
        }
    }

    /// Stores the bundle in force for the next start, if the file has another one. A failed write is tried again at the next pull.
    async fn keep_last_good(&self) {
        let Some(path) = &self.last_good else { return };
        let text = {
            let state = self.state();
            if state.is_kept {
                return;
            }
            state.current.text.clone()
        };
        let problem = last_good::write(path, &text).await.err();
        let mut state = self.state();
        state.is_kept = problem.is_none();
        let is_known = state.last_good_error == problem;
        state.last_good_error.clone_from(&problem);
        drop(state);
        if let Some(problem) = problem.filter(|_| !is_known) {
            telemetry::last_good_unusable(path, &problem);
        }
    }

    /// The pause before the next pull, and the part of it that no hint shortens.
    fn pause(&self) -> (Duration, Duration) {
        let state = self.state();
        let pause = match state.failures {
            0 => self.pauses.spread(self.interval),
            failures => self.pauses.backoff(failures).max(state.retry_after),
        };
        (pause, MIN_PAUSE.max(state.retry_after).min(pause))
    }
}

/// Pulls at each interval and after hints, until no verifier is left.
async fn follow(following: Following) {
    let watch = &following.0;
    loop {
        let (pause, before_hints) = watch.pause();
        rt::sleep(before_hints).await;
        let _ = rt::within(pause.saturating_sub(before_hints), watch.hint.notified()).await;
        if !watch.policy.has_verifier() {
            return;
        }
        let mut pull = JoinSet::new();
        let pulling = Arc::clone(watch);
        pull.spawn(async move { pulling.pull().await }); // an error is logged and recorded
        if let Some(Err(error)) = pull.join_next().await
            && error.is_panic()
        {
            let problem = "the pull panicked, perhaps in the function that makes key sources; see the panic's message";
            watch.record(&Err(fault(problem)), Logged::Failure(problem.to_owned()));
        }
    }
}

/// The task that follows the bundles. If it ends before the last verifier, such as with its runtime, that is an error.
struct Following(Arc<Watch>);

impl Drop for Following {
    fn drop(&mut self) {
        if self.0.policy.has_verifier() {
            let problem = "not pulled any more: the runtime of its task has ended; build it on one that stays";
            telemetry::bundle_not_pulled(&self.0.source.shown(), &fault(problem));
            self.0.policy.end(fault(problem));
        }
    }
}

impl fmt::Debug for BundledPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BundledPolicy")
            .field("source", &self.watch.source.shown())
            .field("revision", &self.revision())
            .field("verifier", &self.verifier)
            .finish_non_exhaustive()
    }
}
