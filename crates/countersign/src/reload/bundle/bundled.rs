//! A policy that follows signed bundles.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_core::bundle::{Bundle, BundleVerifier};
use countersign_core::clock::UnixTime;
use countersign_core::error::{ConfigError, Fault};
use countersign_core::policy::Policy;
#[cfg(feature = "txn")]
use countersign_core::verify::TransactionVerifier;
use countersign_core::verify::Verifier;
use tokio::sync::Notify;

use super::last_good;
use super::report::BundleReport;
use super::settings::PolicyBundle;
use super::source::{Pulled, fault};
use super::watch::{Current, Following, Logged, MIN_PAUSE, State, Watch, follow};
use crate::refresh::RefreshPolicy;
use crate::reload::in_force::InForce;
use crate::reload::shadow::{ShadowReport, ShadowWatch};
use crate::{rt, telemetry};

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
        let pulled = match source.pull().await {
            Ok(Pulled { text, validator }) => first(&bundles, &text, known.map(|(_, bundle)| bundle), clock.now())
                .and_then(|bundle| start(&bundle).map(|started| (text, bundle, validator, started))),
            Err(failure) => Err(failure.as_config_error()),
        };
        let (text, bundle, validator, (verifier, policy), error) = match pulled {
            Ok((text, bundle, validator, started)) => (text, bundle, validator, started, None),
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
            validator,
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

impl fmt::Debug for BundledPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BundledPolicy")
            .field("source", &self.watch.source.shown())
            .field("revision", &self.revision())
            .field("verifier", &self.verifier)
            .finish_non_exhaustive()
    }
}
