//! Events of outbound tokens.

use std::fmt::Display;
use std::time::Duration;

use super::samples::Sampler;

pub(crate) fn token_fetched(origin: &str, is_exchange: bool, lifetime: Option<Duration>) {
    let lifetime = lifetime.map(|lifetime| lifetime.as_secs());
    tracing::debug!(target: "countersign::outbound", origin, is_exchange, lifetime, "token fetched");
}

pub(crate) fn token_fetch_failed(origin: &str, is_exchange: bool, error: &dyn Display, elapsed: Duration) {
    static SAMPLE: Sampler = Sampler::new();
    if SAMPLE.admit(elapsed).is_some() {
        tracing::warn!(target: "countersign::outbound", origin, is_exchange, %error, "token fetch failed");
    }
}

pub(crate) fn token_lifetime_unreadable(endpoint: &str) {
    let member = "expires_in";
    tracing::warn!(
        target: "countersign::outbound", endpoint, member,
        "token response has a lifetime that is not a number; using the default lifetime"
    );
}

pub(crate) fn token_dropped(origin: &str) {
    tracing::info!(target: "countersign::outbound", origin, "token dropped after a 401");
}
