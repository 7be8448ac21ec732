//! The report of a verifier about its bundle.

use countersign_core::bundle::Bundle;
use countersign_core::clock::UnixTime;
use countersign_core::integration::sha256;
use countersign_core::key::{KeyHealth, KeySet, VerifyingKey};
use countersign_core::policy::{Fingerprint, Policy};
use countersign_core::verify::Verifier;
use serde::Serialize;

use crate::reload::shadow::ShadowReport;

/// A report of one verifier: the bundle in force, and why no newer one is. For the comparison of instances.
///
/// Nothing in it is secret.
///
/// ```
/// # fn example(policy: countersign::reload::BundledPolicy) {
/// let report = policy.report();
/// println!("revision {} with fingerprint {}", report.revision, report.fingerprint);
/// if let Some(error) = &report.error {
///     println!("no newer one: {error}");
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BundleReport {
    /// The version of this crate.
    pub version: &'static str,
    /// The fleet.
    pub fleet: String,
    /// The address or file, without a query.
    pub source: String,
    /// The revision in force.
    pub revision: u64,
    /// The time of its creation, in seconds since 1970.
    pub created_at: u64,
    /// The time of its expiry, in seconds since 1970.
    pub expires_at: u64,
    /// True if that time is over. The bundle stays in force.
    pub is_expired: bool,
    /// The fingerprint of its policy, in hexadecimal.
    pub fingerprint: String,
    /// The fields of the policy that weaken a check, with their issuer or binding.
    pub weakenings: Vec<String>,
    /// The issuers, sorted by name.
    pub issuers: Vec<ReportedIssuer>,
    /// The time of the last pull that the source answered, in seconds since 1970; absent after a start without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pulled_at: Option<u64>,
    /// The differences that the shadow policy would make, if one is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowReport>,
    /// The reason why the last document was refused, or why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The reason why the bundle in force could not be kept for the next start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_good_error: Option<String>,
}

/// An issuer in a [`BundleReport`].
///
/// ```
/// # fn example(issuer: countersign::reload::ReportedIssuer) {
/// println!("{}: {} {:?}", issuer.issuer, issuer.keys, issuer.key_set);
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReportedIssuer {
    /// Its name.
    pub issuer: String,
    /// The state of its keys, as [`Health`](crate::health::Health) states it: `ready`, `degraded` or `not_ready`.
    pub keys: &'static str,
    /// The SHA-256 of the thumbprints of its keys (RFC 7638), sorted, in hexadecimal; absent before there are keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_set: Option<String>,
}

impl BundleReport {
    pub(super) fn new(bundle: &Bundle, fingerprint: &Fingerprint, now: UnixTime, policy: &Policy) -> Self {
        BundleReport {
            version: env!("CARGO_PKG_VERSION"),
            fleet: bundle.fleet().to_owned(),
            source: String::new(),
            revision: bundle.revision(),
            created_at: bundle.created_at().as_secs(),
            expires_at: bundle.expires_at().as_secs(),
            is_expired: now >= bundle.expires_at(),
            fingerprint: fingerprint.to_string(),
            weakenings: policy.weakenings(),
            issuers: Vec::new(),
            pulled_at: None,
            shadow: None,
            error: None,
            last_good_error: None,
        }
    }

    pub(super) fn with_keys(mut self, verifier: &Verifier) -> Self {
        let issuers = verifier.issuers().map(|issuer| {
            let source = issuer.key_source();
            ReportedIssuer {
                issuer: issuer.issuer().to_owned(),
                keys: match source.describe().health {
                    KeyHealth::Ready => "ready",
                    KeyHealth::Degraded { .. } => "degraded",
                    _ => "not_ready",
                },
                key_set: source.cell().current().map(|keys| digest(&keys)),
            }
        });
        self.issuers = issuers.collect();
        self.issuers.sort_by(|one, other| one.issuer.cmp(&other.issuer));
        self
    }

    /// The report as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() // only strings and numbers: cannot fail
    }
}

/// Of equal keys, whatever their order.
fn digest(keys: &KeySet) -> String {
    let mut thumbprints: Vec<&str> = keys.keys().map(VerifyingKey::thumbprint).collect();
    thumbprints.sort_unstable();
    sha256(&thumbprints.join(" ")).iter().map(|byte| format!("{byte:02x}")).collect()
}
