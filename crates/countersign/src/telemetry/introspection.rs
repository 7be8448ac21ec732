//! Events of introspection.

use std::fmt::Display;
use std::time::Duration;

use super::samples::Sampler;

/// `sample` is that of the endpoint, which is configured.
pub(crate) fn introspection_failed(issuer: &str, detail: &dyn Display, sample: &Sampler, elapsed: Duration) {
    if let Some(unlogged) = sample.admit(elapsed) {
        tracing::warn!(target: "countersign::introspect", issuer, %detail, unlogged, "introspection failed");
    }
}

pub(crate) fn introspection_plain_http(issuer: &str) {
    tracing::warn!(
        target: "countersign::introspect", issuer,
        "plain http is allowed: anyone on the network path can read tokens and secrets, and answer in place of the server"
    );
}
