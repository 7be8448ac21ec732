//! The report of one instance.

use countersign_core::policy::CanonicalPolicy;
use serde::{Deserialize, Serialize};

use crate::reload::{BundleReport, ShadowReport};

/// The policy and keys that one instance of a service has in force. Nothing in it is secret.
///
/// Its JSON form has the schema `docs/fleet-report.schema.json`. Minor releases may add members; they neither remove members nor
/// change their meaning. Times are in seconds since 1970.
///
/// ```
/// use countersign::fleet::{FleetMember, FleetReport};
/// use countersign::prelude::*;
///
/// let verifier = Verifier::new(oidc("https://id.example.com").audience("orders"))?;
/// let report = FleetMember::new("orders", &verifier).version("2.1.0").report();
/// assert_eq!((&*report.service, report.sequence, report.is_latest), ("orders", 1, true));
/// assert_eq!(FleetReport::from_json(&report.to_json())?, report);
/// # Ok::<(), countersign::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FleetReport {
    /// The name of the service.
    pub service: String,
    /// The instance: a random ID of each start, unless one was given.
    pub instance: String,
    /// The version of the service, if it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The version of this library.
    pub library: String,
    /// The start of the instance.
    pub started_at: u64,
    /// The time of this report, by the clock of the instance.
    pub reported_at: u64,
    /// The number of this report since the start.
    pub sequence: u64,
    /// The fingerprint of the policy in force, in hexadecimal.
    pub fingerprint: String,
    /// The time since which this policy is in force.
    pub since: u64,
    /// False if a newer policy was refused, or could not be read.
    pub is_latest: bool,
    /// The bundle in force, for policies that come in bundles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleReport>,
    /// The reason why no newer policy is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<ReportedRefusal>,
    /// The weakened checks, with their issuer or binding.
    pub weakenings: Vec<String>,
    /// The configured issuers, sorted by name.
    pub issuers: Vec<ReportedIssuer>,
    /// The state of the revocation data, if the service has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocations: Option<ReportedRevocations>,
    /// The differences that a shadow policy would make, if the policy has one beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowReport>,
    /// The rules in force, field by field, if they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<CanonicalPolicy>,
}

/// An issuer in a [`FleetReport`].
///
/// ```
/// # fn example(issuer: countersign::fleet::ReportedIssuer) {
/// println!("{}: {:?} {:?}", issuer.issuer, issuer.keys, issuer.key_set);
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReportedIssuer {
    /// Its name.
    pub issuer: String,
    /// The state of its keys.
    pub keys: ReportedKeys,
    /// The SHA-256 of the thumbprints of its keys (RFC 7638), sorted, in hexadecimal; absent before there are keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_set: Option<String>,
    /// The time since its keys were fetched, in seconds; absent if nothing is fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u64>,
}

/// The state of the keys of an issuer, as [`Health`](crate::health::Health) states it.
///
/// ```
/// use countersign::fleet::ReportedKeys;
///
/// assert_eq!(serde_json::to_string(&ReportedKeys::NotReady).unwrap(), r#""not_ready""#);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReportedKeys {
    /// There are keys, and the last fetch succeeded.
    Ready,
    /// There are usable keys, but newer ones cannot be fetched.
    Degraded,
    /// There are no usable keys. A state that this version does not know counts as this one.
    #[serde(other)]
    NotReady,
}

/// The reason why no newer policy is in force, in a [`FleetReport`].
///
/// ```
/// # fn example(refusal: countersign::fleet::ReportedRefusal) {
/// println!("{} {}: {}", refusal.field, refusal.code.unwrap_or_default(), refusal.problem);
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReportedRefusal {
    /// The first field at fault, such as `policy_bundle`.
    pub field: String,
    /// The stable code of a bundle's fault, such as `bundle_older_revision`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The reason in words, escaped and cut.
    pub problem: String,
}

/// The state of the revocation data of a service, in a [`FleetReport`].
///
/// ```
/// use std::time::Duration;
/// use countersign::fleet::ReportedRevocations;
///
/// let state = ReportedRevocations::new(Duration::from_secs(12), Duration::from_secs(60));
/// assert!(!state.is_too_old);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReportedRevocations {
    /// The time since the data was known to be complete, in seconds.
    pub age_seconds: u64,
    /// True if it is too old for decisions.
    pub is_too_old: bool,
}

impl ReportedRevocations {
    /// Data of this age, which is too old past `max_age`.
    #[must_use]
    pub fn new(age: std::time::Duration, max_age: std::time::Duration) -> Self {
        ReportedRevocations { age_seconds: age.as_secs(), is_too_old: age > max_age }
    }
}
