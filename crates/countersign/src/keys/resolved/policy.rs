//! The numbers of resolving issuers, judged when a verifier is built.

use std::time::Duration;

use countersign_core::error::Fault;

use crate::refresh::RefreshPolicy;

/// How issuers are resolved and held.
///
/// ```
/// use countersign::keys::ResolvePolicy;
///
/// let policy = ResolvePolicy { max_issuers: 50_000, ..ResolvePolicy::default() };
/// assert!(policy.faults().is_empty());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvePolicy {
    /// How many issuers are held; beyond it the one longest unused makes room. Default 10,000.
    pub max_issuers: usize,
    /// How long an issuer is trusted before the resolver is asked again, which happens ahead of it. Default 5 min.
    pub max_age: Duration,
    /// How long a name that the resolver does not know is refused without asking. Default 1 min.
    pub refused_for: Duration,
    /// How long past `max_age` an issuer is trusted while the resolver fails. Default 1 h.
    pub stale_for: Duration,
    /// How many names that are not held the resolver is asked for in a second, whoever sends them. Default 20.
    pub look_ups_a_second: u32,
    /// How long one answer may take. Default 5 s.
    pub timeout: Duration,
    /// How long one caller waits for it. Default 1 s.
    pub wait: Duration,
}

impl Default for ResolvePolicy {
    fn default() -> Self {
        ResolvePolicy {
            max_issuers: 10_000,
            max_age: Duration::from_secs(300),
            refused_for: Duration::from_secs(60),
            stale_for: Duration::from_secs(3600),
            look_ups_a_second: 20,
            timeout: Duration::from_secs(5),
            wait: Duration::from_secs(1),
        }
    }
}

impl ResolvePolicy {
    /// The settings that make no sense, by field.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |bad: bool, field: &'static str, problem: &'static str| {
            if bad {
                faults.push(Fault::new(field, problem));
            }
        };
        let second = Duration::from_secs(1);
        fault(!(1..=1_000_000).contains(&self.max_issuers), "max_issuers", "not 1 to 1,000,000");
        fault(self.max_age < second, "max_age", "below 1 s; every token would ask the resolver");
        fault(self.refused_for < second, "refused_for", "below 1 s; strangers could ask the resolver at will");
        fault(!(1..=1_000).contains(&self.look_ups_a_second), "look_ups_a_second", "not 1 to 1,000");
        fault(
            self.timeout.is_zero() || self.timeout > Duration::from_secs(60),
            "timeout",
            "not above zero and at most 60 s",
        );
        fault(self.wait.is_zero() || self.wait > self.timeout, "wait", "not above zero and at most timeout");
        faults
    }

    /// The same, for the answer about one issuer.
    pub(super) fn of_one(&self) -> RefreshPolicy {
        RefreshPolicy {
            max_age: self.max_age,
            min_life: self.max_age,
            max_life: self.max_age,
            stale_for: self.stale_for,
            timeout: self.timeout,
            wait: self.wait,
            ..RefreshPolicy::default()
        }
    }
}
