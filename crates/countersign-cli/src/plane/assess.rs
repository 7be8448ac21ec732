//! The differences between the instances of a fleet.

use std::collections::BTreeMap;

use countersign::fleet::{FleetReport, ReportedKeys};
use serde::{Deserialize, Serialize};

/// An instance by its last report.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Instance {
    /// The issuer whose client reported; absent if the plane has no policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
    /// The time at which the plane got the report, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) received_at: Option<u64>,
    /// True if reports are missing.
    #[serde(default)]
    pub(crate) is_silent: bool,
    /// Every reader finds them again.
    #[serde(default, skip_deserializing)]
    pub(crate) findings: Vec<Finding>,
    pub(crate) report: FleetReport,
}

/// A finding about an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Finding {
    /// It has an older revision.
    Lagging,
    /// It has another policy.
    OtherPolicy,
    /// It refused the last document.
    Refused,
    /// The time of its bundle is over.
    Expired,
    /// An issuer's keys are missing.
    NoKeys,
    /// Its keys of an issuer are others than those of most instances.
    OtherKeys,
    /// Newer keys of an issuer cannot be fetched.
    DegradedKeys,
    /// Its revocation data is too old.
    OldRevocations,
    /// Its reports are missing.
    Silent,
    /// Checks of its policy are weakened.
    Weakened,
}

impl Finding {
    /// The finding in words.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Finding::Lagging => "lagging",
            Finding::OtherPolicy => "other policy",
            Finding::Refused => "refused",
            Finding::Expired => "bundle expired",
            Finding::NoKeys => "no keys",
            Finding::OtherKeys => "other keys",
            Finding::DegradedKeys => "old keys",
            Finding::OldRevocations => "revocations too old",
            Finding::Silent => "silent",
            Finding::Weakened => "weakened",
        }
    }

    /// Returns whether instances that agree may have it.
    pub(crate) const fn is_agreed(self) -> bool {
        matches!(self, Finding::DegradedKeys | Finding::Weakened)
    }
}

impl Instance {
    /// An instance that was asked directly.
    pub(crate) fn asked(report: FleetReport) -> Self {
        Instance { issuer: None, received_at: None, is_silent: false, findings: Vec::new(), report }
    }

    /// Returns whether it has what all should have.
    pub(crate) fn agrees(&self) -> bool {
        self.findings.iter().all(|finding| finding.is_agreed())
    }

    /// The fleet that shares a policy with it: by its bundle, or else the instances of its service.
    fn group(&self) -> (Option<String>, String) {
        let name = self.report.bundle.as_ref().map_or(&self.report.service, |bundle| &bundle.fleet);
        (self.issuer.clone(), name.clone())
    }

    fn revision(&self) -> Option<u64> {
        self.report.bundle.as_ref().map(|bundle| bundle.revision)
    }
}

/// The policy that instances should have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Reference {
    /// The fleet that it is for; all if it is not a bundle.
    #[serde(skip)]
    pub(crate) fleet: Option<String>,
    pub(crate) revision: Option<u64>,
    pub(crate) fingerprint: String,
}

/// The instances that share a policy.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Group {
    /// The fleet, or the service.
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
    /// The policy that they should have: the given one, the highest revision, or that of most.
    pub(crate) expected: Reference,
    pub(crate) instances: usize,
    pub(crate) agreeing: usize,
    /// The policies that they have, with the number of instances; that of most first.
    pub(crate) in_force: Vec<InForce>,
}

/// A revision, or a policy without one.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct InForce {
    pub(crate) revision: Option<u64>,
    pub(crate) fingerprint: String,
    pub(crate) instances: usize,
}

/// Finds what instances disagree about, within each fleet or with the given policy.
pub(crate) fn assess(instances: &mut [Instance], reference: Option<&Reference>) -> Vec<Group> {
    let mut members: BTreeMap<(Option<String>, String), Vec<&mut Instance>> = BTreeMap::new();
    for instance in instances {
        members.entry(instance.group()).or_default().push(instance);
    }
    let groups = members.into_iter().map(|((issuer, name), mut members)| {
        let in_force = in_force(&members);
        let given = reference.filter(|given| given.fleet.as_ref().is_none_or(|fleet| *fleet == name));
        let expected = given.cloned().unwrap_or_else(|| expected(&in_force));
        let keys = usual_keys(&members);
        for instance in &mut members {
            instance.findings = findings(instance, &expected, &keys);
        }
        let agreeing = members.iter().filter(|instance| instance.agrees()).count();
        Group { name, issuer, expected, instances: members.len(), agreeing, in_force }
    });
    groups.collect()
}

fn in_force(members: &[&mut Instance]) -> Vec<InForce> {
    let mut counts: BTreeMap<(Option<u64>, &str), usize> = BTreeMap::new();
    for instance in members {
        *counts.entry((instance.revision(), &instance.report.fingerprint)).or_default() += 1;
    }
    let found = counts.into_iter().map(|((revision, fingerprint), instances)| InForce {
        revision,
        fingerprint: fingerprint.to_owned(),
        instances,
    });
    let mut found: Vec<InForce> = found.collect();
    found.sort_by_key(|one| (std::cmp::Reverse(one.instances), std::cmp::Reverse(one.revision)));
    found
}

/// The highest revision; of policies without one, that of most instances.
fn expected(in_force: &[InForce]) -> Reference {
    let highest = in_force.iter().filter_map(|one| one.revision).max();
    let found = in_force.iter().find(|one| one.revision == highest);
    Reference {
        fleet: None,
        revision: highest,
        fingerprint: found.map(|one| one.fingerprint.clone()).unwrap_or_default(),
    }
}

/// The key set of each issuer that most instances have.
fn usual_keys(members: &[&mut Instance]) -> BTreeMap<String, String> {
    let mut counts: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for known in members.iter().flat_map(|instance| &instance.report.issuers) {
        if let Some(set) = &known.key_set {
            *counts.entry(&known.issuer).or_default().entry(set).or_default() += 1;
        }
    }
    let usual = counts.into_iter().filter_map(|(issuer, sets)| {
        let (set, _) = sets.into_iter().max_by_key(|(_, count)| *count)?;
        Some((issuer.to_owned(), set.to_owned()))
    });
    usual.collect()
}

fn findings(instance: &Instance, expected: &Reference, usual: &BTreeMap<String, String>) -> Vec<Finding> {
    let report = &instance.report;
    let is_lagging = match (instance.revision(), expected.revision) {
        (Some(own), Some(expected)) => own < expected,
        _ => false,
    };
    let is_ahead = matches!((instance.revision(), expected.revision), (Some(own), Some(expected)) if own > expected);
    let has_other = !is_lagging && (is_ahead || report.fingerprint != expected.fingerprint);
    let has_keys = |state: ReportedKeys| report.issuers.iter().any(|known| known.keys == state);
    let has_other_keys = report.issuers.iter().any(|known| {
        known.keys != ReportedKeys::NotReady
            && known.key_set.is_some()
            && usual.get(&known.issuer) != known.key_set.as_ref()
    });
    let found = [
        (is_lagging, Finding::Lagging),
        (has_other, Finding::OtherPolicy),
        (!report.is_latest, Finding::Refused),
        (report.bundle.as_ref().is_some_and(|bundle| bundle.is_expired), Finding::Expired),
        (has_keys(ReportedKeys::NotReady), Finding::NoKeys),
        (has_other_keys, Finding::OtherKeys),
        (has_keys(ReportedKeys::Degraded), Finding::DegradedKeys),
        (report.revocations.is_some_and(|state| state.is_too_old), Finding::OldRevocations),
        (instance.is_silent, Finding::Silent),
        (!report.weakenings.is_empty(), Finding::Weakened),
    ];
    found.into_iter().filter_map(|(is_found, finding)| is_found.then_some(finding)).collect()
}
