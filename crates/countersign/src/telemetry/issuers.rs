//! Events of issuers that are resolved at run time.

use std::time::Duration;

use countersign_core::integration::safe_text;

use super::samples::Sampler;

/// The samplers of one resolver.
#[derive(Default)]
pub(crate) struct IssuerSamples {
    resolved: Sampler,
    removed: Sampler,
    not_accepted: Sampler,
    not_resolved: Sampler,
}

pub(crate) fn issuer_resolved(issuer: &str, samples: &IssuerSamples, elapsed: Duration) {
    if let Some(unlogged) = samples.resolved.admit(elapsed) {
        tracing::info!(target: "countersign::issuers", issuer = safe_text(issuer), unlogged, "issuer resolved");
    }
}

pub(crate) fn issuer_removed(issuer: &str, samples: &IssuerSamples, elapsed: Duration) {
    if let Some(unlogged) = samples.removed.admit(elapsed) {
        tracing::info!(target: "countersign::issuers", issuer = safe_text(issuer), unlogged, "issuer no longer trusted");
    }
}

pub(crate) fn issuer_names_file(file: &str, error: &std::io::Error) {
    tracing::warn!(target: "countersign::issuers", file, %error, "file of known issuers not usable");
}

pub(crate) fn issuer_not_accepted(issuer: &str, reason: &'static str, samples: &IssuerSamples, elapsed: Duration) {
    if samples.not_accepted.admit(elapsed).is_some() {
        tracing::debug!(target: "countersign::issuers", issuer = safe_text(issuer), reason, "issuer not accepted");
    }
}

pub(crate) fn issuer_not_resolved(issuer: &str, error: &str, samples: &IssuerSamples, elapsed: Duration) {
    if samples.not_resolved.admit(elapsed).is_some() {
        let (issuer, error) = (safe_text(issuer), safe_text(error));
        tracing::warn!(target: "countersign::issuers", issuer, error, "issuer resolution failed");
    }
}
