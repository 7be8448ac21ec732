//! The content of a report about a verifier, without its times.

use countersign_core::error::{ConfigError, Fault};
use countersign_core::integration::sha256;
use countersign_core::key::{KeyHealth, KeySet, VerifyingKey};
use countersign_core::policy::Fingerprint;
use countersign_core::verify::Verifier;

use super::form::MAX_LISTED;
use super::report::{ReportedIssuer, ReportedKeys, ReportedRefusal};

/// The state that makes a new report necessary when it changes.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Observed {
    pub(super) fingerprint: Fingerprint,
    pub(super) revision: Option<u64>,
    pub(super) refusal: Option<ReportedRefusal>,
    /// Without ages.
    pub(super) issuers: Vec<ReportedIssuer>,
    pub(super) is_too_old: bool,
}

pub(super) fn refusal(verifier: &Verifier) -> Option<ReportedRefusal> {
    verifier.policy_error().map(|error| refused(&error))
}

fn refused(error: &ConfigError) -> ReportedRefusal {
    let Some(Fault { field, problem, .. }) = error.faults().first() else {
        return ReportedRefusal { field: "policy".to_owned(), code: None, problem: error.to_string() };
    };
    // A bundle's fault begins with its code.
    let code = problem.split_once(": ").map(|(code, _)| code).filter(|code| is_bundle_code(code));
    ReportedRefusal { field: field.to_string(), code: code.map(str::to_owned), problem: problem.to_string() }
}

fn is_bundle_code(text: &str) -> bool {
    text.starts_with("bundle_") && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// The first issuers by name, with their keys.
pub(super) fn issuers(verifier: &Verifier, has_ages: bool) -> Vec<ReportedIssuer> {
    let mut issuers: Vec<_> = verifier.issuers().collect();
    issuers.sort_by(|one, other| one.issuer().cmp(other.issuer()));
    issuers.truncate(MAX_LISTED);
    let reported = issuers.iter().map(|issuer| {
        let source = issuer.key_source();
        let description = source.describe();
        ReportedIssuer {
            issuer: issuer.issuer().to_owned(),
            keys: match description.health {
                KeyHealth::Ready => ReportedKeys::Ready,
                KeyHealth::Degraded { .. } => ReportedKeys::Degraded,
                _ => ReportedKeys::NotReady,
            },
            key_set: source.cell().current().map(|keys| digest(&keys)),
            age_seconds: description.stats.age.filter(|_| has_ages).map(|age| age.as_secs()),
        }
    });
    reported.collect()
}

/// Of equal keys, whatever their order.
fn digest(keys: &KeySet) -> String {
    let mut thumbprints: Vec<&str> = keys.keys().map(VerifyingKey::thumbprint).collect();
    thumbprints.sort_unstable();
    sha256(&thumbprints.join(" ")).iter().map(|byte| format!("{byte:02x}")).collect()
}
