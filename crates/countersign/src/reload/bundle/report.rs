//! The state of a policy from bundles, for its operators.

use countersign_core::bundle::Bundle;
use countersign_core::clock::UnixTime;
use serde::{Deserialize, Serialize};

/// The bundle in force, as a part of what a service reports. Nothing in it is secret.
///
/// ```no_run
/// # fn example(policy: countersign::reload::BundledPolicy) {
/// let report = policy.report();
/// println!("revision {} of {}, expired: {}", report.revision, report.fleet, report.is_expired);
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BundleReport {
    /// The fleet.
    pub fleet: String,
    /// The address or file, without a query.
    pub source: String,
    /// The revision in force.
    pub revision: u64,
    /// The time since which it is in force here, in seconds since 1970.
    pub since: u64,
    /// The time of its creation, in seconds since 1970.
    pub created_at: u64,
    /// The time of its expiry, in seconds since 1970.
    pub expires_at: u64,
    /// True if that time is over. The bundle stays in force.
    pub is_expired: bool,
    /// The time of the last pull that the source answered, in seconds since 1970; absent after a start without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pulled_at: Option<u64>,
    /// The reason why the bundle in force could not be kept for the next start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good_error: Option<String>,
}

impl BundleReport {
    pub(super) fn new(bundle: &Bundle, since: UnixTime, now: UnixTime) -> Self {
        BundleReport {
            fleet: bundle.fleet().to_owned(),
            source: String::new(),
            revision: bundle.revision(),
            since: since.as_secs(),
            created_at: bundle.created_at().as_secs(),
            expires_at: bundle.expires_at().as_secs(),
            is_expired: now >= bundle.expires_at(),
            pulled_at: None,
            last_good_error: None,
        }
    }
}
