//! The task that pulls bundles, and the state that it shares with [`BundledPolicy`](super::BundledPolicy).

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use countersign_core::bundle::{Bundle, BundleVerifier};
use countersign_core::clock::{Clock, UnixTime};
use countersign_core::error::ConfigError;
use countersign_core::integration::sha256;
use countersign_core::policy::{Fingerprint, Policy};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::last_good;
use super::source::{Pulled, Source, fault};
use crate::refresh::RefreshPolicy;
use crate::reload::in_force::InForce;
use crate::reload::shadow::ShadowWatch;
use crate::{rt, telemetry};

/// The shortest pause between two pulls that hints cause.
pub(super) const MIN_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Watch {
    pub(super) source: Source,
    pub(super) bundles: BundleVerifier,
    pub(super) last_good: Option<PathBuf>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) interval: Duration,
    pub(super) pauses: RefreshPolicy,
    pub(super) policy: InForce,
    pub(super) shadow: Option<(ShadowWatch, Source)>,
    /// One pull at a time.
    pub(super) turn: tokio::sync::Mutex<()>,
    pub(super) hint: Notify,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    pub(super) current: Current,
    pub(super) fingerprint: Fingerprint,
    /// The validator of the bundle in force.
    pub(super) validator: Option<Vec<u8>>,
    /// Failed pulls in a row, and the pause that the server asked for.
    pub(super) failures: u32,
    pub(super) retry_after: Duration,
    /// The last document or failure that was logged.
    pub(super) logged: Option<Logged>,
    /// True if the file of the last good bundle has the one in force.
    pub(super) is_kept: bool,
    pub(super) last_good_error: Option<String>,
    pub(super) pulled_at: Option<UnixTime>,
}

/// The bundle in force.
pub(super) struct Current {
    pub(super) text: String,
    pub(super) bundle: Bundle,
    pub(super) since: UnixTime,
}

/// A document or failure that was logged.
#[derive(PartialEq, Eq)]
pub(super) enum Logged {
    Document([u8; 32]),
    Failure(String),
}

impl Watch {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn pull(self: &Arc<Self>) -> Result<bool, ConfigError> {
        let _turn = self.turn.lock().await;
        let known = self.state().validator.clone();
        let (result, logged) = match self.source.pull_unless(known.as_deref()).await {
            Ok(pulled) => {
                let now = self.clock.now();
                {
                    let mut state = self.state();
                    (state.failures, state.retry_after, state.pulled_at) = (0, Duration::ZERO, Some(now));
                }
                match pulled {
                    None => self.unchanged(now),
                    Some(Pulled { text, validator }) => self.take(text, validator, now),
                }
            }
            Err(failure) => {
                let mut state = self.state();
                state.failures = state.failures.saturating_add(1);
                state.retry_after = failure.pause();
                let error = failure.as_config_error();
                let logged = Logged::Failure(error.to_string());
                (Err(error), logged)
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
    pub(super) async fn pull_shadow(&self, is_replaced: bool) {
        let Some((shadow, source)) = &self.shadow else { return };
        let (mut validator, known) = shadow.known().unzip();
        let read = match source.pull_unless(validator.as_deref()).await {
            Ok(None) => Ok(known),
            Ok(Some(pulled)) => {
                validator = pulled.validator;
                Ok(Some(pulled.text))
            }
            Err(failure) if failure.is_missing() => {
                validator = None;
                Ok(None)
            }
            Err(failure) => Err(failure.as_config_error()),
        };
        let (now, in_force) = (self.clock.now(), self.state().current.bundle.revision());
        let is_other = shadow.take(&self.policy, read, is_replaced, |text| {
            let bundle = self.bundles.verify_shadow(text, now)?;
            let next = bundle.revision() > in_force;
            Ok(next.then(|| (Policy::clone(bundle.policy()), Some(bundle.revision()))))
        });
        shadow.set_validator(validator);
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
    fn take(&self, text: String, validator: Option<Vec<u8>>, now: UnixTime) -> (Result<bool, ConfigError>, Logged) {
        if text == self.state().current.text {
            self.state().validator = validator;
            return self.unchanged(now);
        }
        let logged = Logged::Document(sha256(&text));
        let result = self.replace(text, validator, now);
        (result, logged)
    }

    fn replace(&self, text: String, validator: Option<Vec<u8>>, now: UnixTime) -> Result<bool, ConfigError> {
        let bundle = self.bundles.verify(&text, now)?;
        if !bundle.replaces(&self.state().current.bundle)? {
            self.state().validator = validator; // the same content, signed again
            return Ok(false);
        }
        let replaced = self.policy.replace(Policy::clone(bundle.policy()))?;
        let mut state = self.state();
        let fingerprint = replaced.unwrap_or(state.fingerprint);
        telemetry::bundle_replaced(&self.source.shown(), bundle.revision(), &fingerprint);
        (state.current, state.fingerprint) = (Current { text, bundle, since: now }, fingerprint);
        (state.validator, state.is_kept) = (validator, false);
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
    pub(super) async fn keep_last_good(&self) {
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
pub(super) async fn follow(following: Following) {
    let watch = &following.0;
    loop {
        let (pause, before_hints) = watch.pause();
        rt::sleep(before_hints).await;
        let _ = rt::within(pause.saturating_sub(before_hints), hinted(watch)).await;
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

/// Waits for a hint, of a caller or of the source.
async fn hinted(watch: &Watch) {
    let mut changed = pin!(async { watch.source.changed().await });
    let mut has_panicked = false;
    let of_source = poll_fn(|context| {
        if has_panicked {
            return Poll::Pending; // it gives no hints, and its pulls go on
        }
        catch_unwind(AssertUnwindSafe(|| changed.as_mut().poll(context))).unwrap_or_else(|_| {
            has_panicked = true;
            Poll::Pending
        })
    });
    tokio::select! {
        () = watch.hint.notified() => {}
        () = of_source => {}
    }
}

/// The task that follows the bundles. If it ends before the last verifier, such as with its runtime, that is an error.
pub(super) struct Following(pub(super) Arc<Watch>);

impl Drop for Following {
    fn drop(&mut self) {
        if self.0.policy.has_verifier() {
            let problem = "not pulled any more: the runtime of its task has ended; build it on one that stays";
            telemetry::bundle_not_pulled(&self.0.source.shown(), &fault(problem));
            self.0.policy.end(fault(problem));
        }
    }
}
