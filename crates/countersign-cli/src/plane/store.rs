//! The last report of each instance, in memory, with bounds.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign::clock::Clock;
use countersign::fleet::{FleetReport, ReportAnswer};
use countersign::policy::CanonicalPolicy;
use countersign_core::integration::{NestedBudget, NestedPermit};
use std::sync::Arc;

use super::assess::Instance;

/// The bytes of a unit of memory.
const UNIT_BYTES: usize = 4 * 1024;

/// The units of memory of all reports: 64 MiB.
const MAX_UNITS: u32 = 16 * 1024;

/// The most units of one service. It also gets no more than are still free to others.
const MAX_SERVICE_UNITS: u32 = 4 * 1024;

/// The age of a report after which its instance counts as silent: three were missed.
const SILENT_AFTER: Duration = Duration::from_secs(180);

/// The age of a report after which its instance is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(300);

/// The shortest pause between two searches for old reports.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Names count with their issuer: issuer, service, instance.
type Key = (Option<String>, String, String);

/// The reports of a plane.
pub(crate) struct Store {
    clock: Arc<dyn Clock>,
    budget: NestedBudget<1>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: BTreeMap<Key, Entry>,
    swept_at: Duration,
}

struct Entry {
    report: FleetReport,
    policy: Option<Arc<Policy>>,
    received_at: u64,
    /// By the clock's `elapsed`.
    received: Duration,
    units: Vec<NestedPermit<1>>,
}

/// A policy that instances of one service share.
struct Policy {
    rules: CanonicalPolicy,
    bytes: usize,
}

/// There is no room for a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Store {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Store { clock, budget: NestedBudget::new(MAX_UNITS, [MAX_SERVICE_UNITS]), inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a report whose JSON form has this length. One that is older than the last of its instance is ignored.
    pub(crate) fn put(
        &self,
        issuer: Option<&str>,
        mut report: FleetReport,
        bytes: usize,
    ) -> Result<ReportAnswer, Full> {
        let policy = report.policy.take().map(|rules| {
            let bytes = serde_json::to_string(&rules).map_or(0, |text| text.len());
            Arc::new(Policy { rules, bytes })
        });
        let bytes = bytes.saturating_sub(policy.as_ref().map_or(0, |policy| policy.bytes));
        let (now, received) = (self.clock.now().as_secs(), self.clock.elapsed());
        let mut inner = self.inner();
        inner.sweep(received);
        let service = (issuer.map(str::to_owned), report.service.clone());
        let key = (service.0.clone(), service.1.clone(), report.instance.clone());
        let known = inner.entries.get(&key);
        if known.is_some_and(|known| known.order() > (report.started_at, report.sequence)) {
            return Ok(ReportAnswer::default());
        }
        let policy = policy.or_else(|| inner.policy(&service, &report.fingerprint));
        // Each entry pays for its policy, shared or not: what shares it may outlive what brought it.
        let needed = (bytes + policy.as_ref().map_or(0, |policy| policy.bytes)).div_ceil(UNIT_BYTES).max(1);
        let mut units = inner.entries.get_mut(&key).map(|known| std::mem::take(&mut known.units)).unwrap_or_default();
        units.truncate(needed);
        let had = units.len();
        while units.len() < needed {
            match self.budget.acquire([Some(self.budget.key(&service))]) {
                Ok(unit) => units.push(unit),
                Err(_) => {
                    units.truncate(had);
                    match inner.entries.get_mut(&key) {
                        Some(known) => known.units = units, // the last report stays
                        None => drop(units),
                    }
                    return Err(Full);
                }
            }
        }
        let mut answer = ReportAnswer::default();
        answer.wants_policy = policy.is_none();
        inner.entries.insert(key, Entry { report, policy, received_at: now, received, units });
        Ok(answer)
    }

    /// All instances, sorted by issuer, service and instance; with their policies if `has_policies`.
    pub(crate) fn instances(&self, has_policies: bool) -> Vec<Instance> {
        let elapsed = self.clock.elapsed();
        let mut inner = self.inner();
        inner.sweep(elapsed);
        let instances = inner.entries.iter().map(|((issuer, ..), entry)| {
            let mut report = entry.report.clone();
            report.policy = entry.policy.as_ref().filter(|_| has_policies).map(|policy| policy.rules.clone());
            Instance {
                issuer: issuer.clone(),
                received_at: Some(entry.received_at),
                is_silent: elapsed.saturating_sub(entry.received) > SILENT_AFTER,
                findings: Vec::new(),
                report,
            }
        });
        instances.collect()
    }

    /// The time of the plane, in seconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        self.clock.now().as_secs()
    }
}

impl Inner {
    /// Forgets the instances whose reports are over.
    fn sweep(&mut self, elapsed: Duration) {
        if elapsed.saturating_sub(self.swept_at) >= SWEEP_EVERY || self.swept_at.is_zero() {
            self.swept_at = elapsed;
            self.entries.retain(|_, entry| elapsed.saturating_sub(entry.received) <= FORGOTTEN_AFTER);
        }
    }

    /// The policy of this fingerprint that another instance of the service brought.
    fn policy(&self, (issuer, service): &(Option<String>, String), fingerprint: &str) -> Option<Arc<Policy>> {
        let first = (issuer.clone(), service.clone(), String::new());
        let of_service = self.entries.range(first..).take_while(|((by, name, _), _)| by == issuer && name == service);
        let mut same = of_service.filter(|(_, entry)| entry.report.fingerprint == fingerprint);
        same.find_map(|(_, entry)| entry.policy.clone())
    }
}

impl Entry {
    /// The order of the reports of an instance. One that was started again counts from one.
    fn order(&self) -> (u64, u64) {
        (self.report.started_at, self.report.sequence)
    }
}

#[cfg(test)]
mod tests;
