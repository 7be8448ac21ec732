//! Shared signals by polling (RFC 8936).

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::error::{ConfigError, Fault};

use super::poll::{NotPolled, Outcomes, SetError, failed, poll};
use super::receiver::NotTaken;
use super::signals::{SignalReceiver, err_of};
use crate::fetch::checked_url;
use crate::outbound::Outbound;
use crate::refresh::RefreshPolicy;
use crate::{rt, telemetry};

/// The interval between polls if nothing is left, unless set.
const POLL_EVERY: Duration = Duration::from_secs(2);

/// The shortest interval that can be set, and the first pause after a failure.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// The longest interval that can be set, and the longest pause after failures.
const MAX_INTERVAL: Duration = Duration::from_secs(60);

/// The pause before the next poll while the transmitter has more events.
const MORE_PAUSE: Duration = Duration::from_millis(50);

/// Fetches the security events of a transmitter of the OpenID Shared Signals Framework 1.0, by polling (RFC 8936).
///
/// For services that the transmitter cannot reach. Each token is checked, and acts, as [`SignalReceiver`] states; its `jti` must be
/// that under which it was sent. With the next poll, tokens that were handed to the sink are acknowledged, so with a sink that
/// stores revocations none is lost at a crash; those that were refused are reported (`setErrs`). If keys or the sink cannot be had, a
/// token is neither, and the transmitter sends it again.
///
/// Polls ask for an immediate response (`returnImmediately`), by default every 2 s, and at once while `moreAvailable`. A transmitter that
/// fails is asked again after 1 s to 60 s, with one line in the log. The token for it comes from the [`Outbound`], with the origin
/// bound to its source. The task ends when the last clone is dropped.
///
/// One instance polls a stream: acknowledged events are sent to nobody else. Hand the receiver a sink that tells all instances.
///
/// ```no_run
/// use countersign::error::ConfigError;
/// use countersign::outbound::{ClientCredentials, Outbound};
/// use countersign::receivers::{SignalPoller, SignalReceiver};
///
/// # fn example(signals: &SignalReceiver, credentials: ClientCredentials) -> Result<(), ConfigError> {
/// let outbound = Outbound::builder(Default::default()).bind("https://id.example.com", credentials).build()?;
/// let poller = SignalPoller::builder(signals, "https://id.example.com/ssf/poll", outbound).build()?;
/// println!("{} taken, {} refused: {:?}", poller.taken(), poller.refused(), poller.last_error());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "polls end when it is dropped"]
pub struct SignalPoller {
    shared: Arc<Shared>,
    _task: Arc<rt::OwnedTask>,
}

/// The settings of a [`SignalPoller`], which has an example.
#[must_use = "a builder does nothing until it is built"]
pub struct SignalPollerBuilder {
    receiver: SignalReceiver,
    endpoint: String,
    outbound: Outbound,
    interval: Duration,
}

struct Shared {
    receiver: SignalReceiver,
    url: String,
    outbound: Outbound,
    interval: Duration,
    taken: AtomicU64,
    refused: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl SignalPoller {
    /// Starts the settings of a poller for the `endpoint_url` of the stream's delivery. Tokens that are pushed to `receiver` and tokens
    /// that are polled count once together.
    pub fn builder(receiver: &SignalReceiver, endpoint: impl Into<String>, outbound: Outbound) -> SignalPollerBuilder {
        SignalPollerBuilder { receiver: receiver.clone(), endpoint: endpoint.into(), outbound, interval: POLL_EVERY }
    }

    /// The number of tokens that were taken.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.shared.taken.load(Ordering::Relaxed)
    }

    /// The number of tokens that were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// The reason why the last poll failed, or left a token to be sent again; `None` if it did neither.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.shared.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl SignalPollerBuilder {
    /// Sets the interval between polls if nothing is left, from 1 s to 60 s. Default: 2 s, spread by 10 % between processes.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Starts the task that polls.
    ///
    /// # Errors
    /// `ConfigError` on field `endpoint` if it is not an address (`https`, or `http` on loopback), on `interval`, and on `runtime`
    /// outside a tokio runtime.
    pub fn build(self) -> Result<SignalPoller, ConfigError> {
        let SignalPollerBuilder { receiver, endpoint, outbound, interval } = self;
        let mut faults: Vec<Fault> = checked_url(&endpoint, "endpoint").err().into_iter().collect();
        if !(MIN_INTERVAL..=MAX_INTERVAL).contains(&interval) {
            faults.push(Fault::new("interval", "not between 1 s and 60 s"));
        }
        if !rt::has_runtime() {
            faults.push(Fault::new("runtime", "missing; build it inside a tokio runtime, which polls"));
        }
        ConfigError::check(faults)?;
        let (taken, refused, last_error) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::default());
        let shared = Arc::new(Shared { receiver, url: endpoint, outbound, interval, taken, refused, last_error });
        let task = rt::spawn(follow(Arc::clone(&shared)));
        Ok(SignalPoller { shared, _task: Arc::new(rt::OwnedTask(task)) })
    }
}

/// Polls until the task is ended.
async fn follow(shared: Arc<Shared>) {
    let pauses = RefreshPolicy::default().initial_backoff(MIN_INTERVAL).max_backoff(MAX_INTERVAL);
    let (mut outcomes, mut failures) = (Outcomes::default(), 0_u32);
    loop {
        let round = shared.round(&mut outcomes).await;
        shared.record(round.as_ref().err());
        let pause = match round {
            Ok(has_more) => {
                failures = 0;
                if has_more { MORE_PAUSE } else { pauses.spread(shared.interval) }
            }
            Err(not_polled) => {
                failures = failures.saturating_add(1);
                pauses.backoff(failures).max(not_polled.retry_after)
            }
        };
        rt::sleep(pause).await;
    }
}

impl Shared {
    /// Polls once and takes what came; returns whether there is more. It states `outcomes`, and replaces them by those of this round.
    async fn round(&self, outcomes: &mut Outcomes) -> Result<bool, NotPolled> {
        let response = poll(&self.outbound, &self.url, outcomes).await;
        if response.as_ref().map_or_else(|not_polled| not_polled.is_rejected, |_| true) {
            // The transmitter knows them; or it sends the tokens again, which are then acknowledged again.
            *outcomes = Outcomes::default();
        }
        let response = response?;
        let has_more = response.more_available;
        let mut left = None;
        for (token_id, token) in response.into_tokens() {
            match self.receiver.take(&token, Some(&token_id)).await {
                Ok(()) => {
                    self.taken.fetch_add(1, Ordering::Relaxed);
                    outcomes.taken.push(token_id);
                }
                // An acknowledgement was lost.
                Err(problem) if problem.is_repeated() => outcomes.taken.push(token_id),
                Err(problem) => {
                    self.receiver.receiver.log(&problem);
                    match problem {
                        NotTaken::Refused(kind, _) => {
                            self.refused.fetch_add(1, Ordering::Relaxed);
                            let error = SetError { err: err_of(kind), description: kind.code() };
                            outcomes.refused.insert(token_id, error);
                        }
                        NotTaken::Unavailable(problem) => left = Some(problem),
                    }
                }
            }
        }
        match left {
            None => Ok(has_more && !(outcomes.taken.is_empty() && outcomes.refused.is_empty())),
            Some(problem) => Err(failed(format!("a token is left for the next poll: {problem}"))),
        }
    }

    /// A failure is logged once until a poll succeeds.
    fn record(&self, failure: Option<&NotPolled>) {
        let mut last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *last, failure.map(|failure| failure.problem.clone()));
        drop(last);
        match (before, failure) {
            (None, Some(failure)) => telemetry::signals_not_polled(self.shown(), &failure.problem),
            (Some(_), None) => telemetry::signals_polled(self.shown()),
            _ => {}
        }
    }

    /// The address without its query, which may hold a secret.
    fn shown(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }
}

impl fmt::Debug for SignalPoller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalPoller")
            .field("receiver", &self.shared.receiver)
            .field("url", &self.shared.shown())
            .field("taken", &self.taken())
            .field("refused", &self.refused())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SignalPollerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalPollerBuilder").field("receiver", &self.receiver).finish_non_exhaustive()
    }
}
