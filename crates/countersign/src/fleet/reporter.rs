//! The sending of reports.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::error::{ConfigError, Fault};
use countersign_core::policy::Fingerprint;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::form::{MAX_REPORT_BYTES, REPORTS_PATH};
use super::member::FleetMember;
use super::observed::Observed;
use super::send::{NotSent, Way, send};
use crate::fetch::{checked_url, is_loopback};
use crate::outbound::Outbound;
use crate::refresh::RefreshPolicy;
use crate::{rt, telemetry};

/// The interval between reports if nothing changes.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// The longest interval that can be set: a plane counts an instance as silent after three minutes.
const MAX_INTERVAL: Duration = Duration::from_secs(60);

/// The interval at which changes are looked for, and the shortest pause between two reports.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Sends the reports of a [`FleetMember`] to a plane: one a minute, and one at each change of the policy, a refusal or the keys.
///
/// It runs beside the service, in a task of its own, and no request waits for it. What fails is logged once, and tried again
/// after a pause from 1 s to 1 min. The task ends when the last clone is dropped.
///
/// ```no_run
/// use countersign::fleet::{FleetMember, FleetReporter};
/// use countersign::outbound::Outbound;
///
/// # fn example(member: FleetMember, outbound: Outbound) -> Result<(), countersign::error::ConfigError> {
/// let reporter = FleetReporter::builder(member, "https://plane.internal").outbound(outbound).build()?;
/// println!("{} sent, {} failed: {:?}", reporter.sent(), reporter.failed(), reporter.last_error());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "reports end when it is dropped"]
pub struct FleetReporter {
    shared: Arc<Shared>,
    _task: Arc<rt::OwnedTask>,
}

/// The settings of a [`FleetReporter`], which has an example.
#[must_use = "a builder does nothing until it is built"]
pub struct FleetReporterBuilder {
    member: FleetMember,
    plane: String,
    outbound: Option<Outbound>,
    interval: Duration,
}

struct Shared {
    member: FleetMember,
    url: String,
    way: Way,
    interval: Duration,
    hint: Notify,
    sent: AtomicU64,
    failed: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl FleetReporter {
    /// Starts a reporter for the plane at this address, such as `https://plane.internal`.
    pub fn builder(member: FleetMember, plane: impl Into<String>) -> FleetReporterBuilder {
        FleetReporterBuilder { member, plane: plane.into(), outbound: None, interval: REPORT_EVERY }
    }

    /// Makes the next report come sooner, at most one a second.
    pub fn hint(&self) {
        self.shared.hint.notify_one();
    }

    /// The number of reports that the plane took.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// The number of reports that it did not take.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.shared.failed.load(Ordering::Relaxed)
    }

    /// The reason why the last report was not taken; `None` if it was.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.shared.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl FleetReporterBuilder {
    /// The client that sends, with the plane's origin bound to the token source of this service. A plane on this machine that has
    /// no policy needs none.
    pub fn outbound(mut self, outbound: Outbound) -> Self {
        self.outbound = Some(outbound);
        self
    }

    /// Sets the interval between reports if nothing changes, at least 1 s. Default and maximum: 60 s, spread by 10 % between
    /// processes.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Starts the task that sends the reports.
    ///
    /// # Errors
    /// `ConfigError` on field `plane` if it is not an address (`https`, or `http` on loopback), on `outbound` if a plane beyond this
    /// machine has no token, on `interval`, on `service` if its name is empty, and on `runtime` outside a tokio runtime.
    pub fn build(self) -> Result<FleetReporter, ConfigError> {
        let mut faults = Vec::new();
        let url = format!("{}{REPORTS_PATH}", self.plane.trim_end_matches('/'));
        match checked_url(&url, "plane") {
            Err(fault) => faults.push(fault),
            Ok(url) if url.query().is_some() => {
                faults.push(Fault::new("plane", "has a query; name the address under which the plane answers"));
            }
            Ok(url) if self.outbound.is_none() && !is_loopback(&url) => {
                let problem = "missing; bind the plane's origin to a token source of this service";
                faults.push(Fault::new("outbound", problem));
            }
            Ok(_) => {}
        }
        if !(CHECK_EVERY..=MAX_INTERVAL).contains(&self.interval) {
            faults.push(Fault::new("interval", "not between 1 s and 60 s; a plane expects a report each minute"));
        }
        if self.member.service().is_empty() {
            faults.push(Fault::new("service", "empty; name the service"));
        }
        if !rt::has_runtime() {
            faults.push(Fault::new("runtime", "missing; build it inside a tokio runtime, which sends the reports"));
        }
        ConfigError::check(faults)?;
        let shared = Arc::new(Shared {
            member: self.member,
            url,
            way: self.outbound.map_or(Way::Loopback, Way::Bound),
            interval: self.interval,
            hint: Notify::new(),
            sent: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            last_error: Mutex::default(),
        });
        let task = rt::spawn(report(Arc::clone(&shared)));
        Ok(FleetReporter { shared, _task: Arc::new(rt::OwnedTask(task)) })
    }
}

/// The last report that the plane took.
#[derive(Default)]
struct Taken {
    state: Option<Observed>,
    /// The policy that it has.
    policy: Option<Fingerprint>,
}

/// Sends reports until the task is ended.
async fn report(shared: Arc<Shared>) {
    let pauses = RefreshPolicy::default().initial_backoff(CHECK_EVERY).max_backoff(REPORT_EVERY);
    let mut taken = Taken::default();
    let mut failures = 0_u32;
    let mut due = Instant::now();
    loop {
        let state = shared.member.observed();
        let has_changed = failures == 0 && taken.state.as_ref() != Some(&state);
        if has_changed || Instant::now() >= due {
            let pause = match shared.send(state, &mut taken).await {
                Ok(()) => {
                    failures = 0;
                    pauses.spread(shared.interval)
                }
                Err(not_sent) => {
                    failures = failures.saturating_add(1);
                    pauses.backoff(failures).max(not_sent.retry_after.unwrap_or_default())
                }
            };
            due = Instant::now() + pause;
        }
        rt::sleep(CHECK_EVERY.min(due.saturating_duration_since(Instant::now()))).await;
        // A hint does not shorten the pause after a failure.
        if failures == 0 && rt::within(Duration::ZERO, shared.hint.notified()).await.is_some() {
            due = Instant::now();
        }
    }
}

impl Shared {
    /// Sends one report, and its policy if the plane does not have it.
    async fn send(&self, state: Observed, taken: &mut Taken) -> Result<(), NotSent> {
        let fingerprint = state.fingerprint;
        let mut has_policy = taken.policy != Some(fingerprint);
        loop {
            let mut report = if has_policy { self.member.report_with_policy() } else { self.member.report() };
            let mut json = report.to_json();
            if has_policy && json.len() > MAX_REPORT_BYTES {
                report.policy = None; // no plane takes it
                json = report.to_json();
            }
            let answer = send(&self.way, &self.url, json).await;
            self.record(answer.as_ref().err());
            let answer = answer?;
            if answer.wants_policy && !has_policy {
                has_policy = true; // the plane was started again
                continue;
            }
            *taken = Taken { state: Some(state), policy: Some(fingerprint) };
            return Ok(());
        }
    }

    /// Counts the result. A failure is logged once until a report is taken.
    fn record(&self, failure: Option<&NotSent>) {
        let mut last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *last, failure.map(|failure| failure.problem.clone()));
        drop(last);
        match (before, failure) {
            (None, Some(failure)) => telemetry::fleet_report_failed(&self.url, &failure.problem),
            (Some(_), None) => telemetry::fleet_report_taken(&self.url),
            _ => {}
        }
        let count = if failure.is_some() { &self.failed } else { &self.sent };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for FleetReporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FleetReporter")
            .field("member", &self.shared.member)
            .field("url", &self.shared.url)
            .field("sent", &self.sent())
            .field("failed", &self.failed())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for FleetReporterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FleetReporterBuilder").field("member", &self.member).finish_non_exhaustive()
    }
}
