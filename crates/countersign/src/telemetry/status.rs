//! Events of status lists.

use std::fmt::Display;
use std::time::Duration;

use countersign_core::integration::safe_text;

use super::samples::Sampler;

/// `age` is that of the list in memory, in seconds.
pub(crate) fn status_list_failed(
    issuer: &str,
    uri: &str,
    detail: &dyn Display,
    age: Option<u64>,
    sample: &Sampler,
    elapsed: Duration,
) {
    if let Some(unlogged) = sample.admit(elapsed) {
        let uri = safe_text(uri.split(['?', '#']).next().unwrap_or_default()); // a query may hold a secret
        tracing::warn!(target: "countersign::status", issuer, %uri, %detail, age, unlogged, "status list not fetched");
    }
}

pub(crate) fn status_list_refused(issuer: &str, reason: &'static str, sample: &Sampler, elapsed: Duration) {
    if let Some(unlogged) = sample.admit(elapsed) {
        tracing::warn!(target: "countersign::status", issuer, reason, unlogged, "status list of a token not used");
    }
}

pub(crate) fn status_unknown_accepted(sample: &Sampler, elapsed: Duration) {
    if let Some(unlogged) = sample.admit(elapsed) {
        tracing::warn!(
            target: "countersign::status", unlogged,
            "token of unknown status accepted: danger_accept_unknown of its issuer"
        );
    }
}
