//! Events of outbound tokens.

use std::fmt::Display;
use std::time::Duration;

#[cfg(feature = "axum")]
use countersign_core::clock::{Clock, SystemClock};
use tracing::Span;
use tracing::field::Empty;

use super::samples::Sampler;

/// The span of one fetch of a token. It has no parent: the fetch serves every caller that waits for it.
pub(crate) fn token_fetch_span(origin: &str, is_exchange: bool) -> Span {
    tracing::info_span!(
        target: "countersign::outbound",
        parent: None,
        "fetch token",
        "otel.kind" = "internal",
        origin,
        is_exchange,
        "error.type" = Empty,
        "otel.status_code" = Empty,
    )
}

pub(crate) fn token_fetched(origin: &str, is_exchange: bool, lifetime: Option<Duration>) {
    let lifetime = lifetime.map(|lifetime| lifetime.as_secs());
    tracing::debug!(target: "countersign::outbound", origin, is_exchange, lifetime, "token fetched");
}

/// Returns whether the event was logged. `sample` is that of the origin.
pub(crate) fn token_fetch_failed(
    origin: &str,
    is_exchange: bool,
    error: &dyn Display,
    sample: &Sampler,
    elapsed: Duration,
) -> bool {
    let is_logged = sample.admit(elapsed).is_some();
    if is_logged {
        tracing::warn!(target: "countersign::outbound", origin, is_exchange, %error, "token fetch failed");
    }
    is_logged
}

pub(crate) fn token_lifetime_unreadable(endpoint: &str) {
    let member = "expires_in";
    tracing::warn!(
        target: "countersign::outbound", endpoint, member,
        "token response has a lifetime that is not a number; using the default lifetime"
    );
}

pub(crate) fn token_not_bound(endpoint: &str) {
    tracing::warn!(
        target: "countersign::outbound", endpoint,
        "token service issued a token that is not bound to the key; it is sent as Bearer"
    );
}

pub(crate) fn plain_http_allowed(setting: &'static str) {
    tracing::warn!(
        target: "countersign::outbound", setting,
        "plain http is allowed: anyone on the network path can read tokens and secrets"
    );
}

/// Returns whether the event was logged. `sample` is that of the client.
pub(crate) fn origin_not_bound(origin: &str, bound: &str, sample: &Sampler, elapsed: Duration) -> bool {
    let is_logged = sample.admit(elapsed).is_some();
    if is_logged {
        tracing::warn!(target: "countersign::outbound", origin, bound, "request not sent: its origin is not bound");
    }
    is_logged
}

/// Sampled for the whole process: an error states no client that it comes from.
#[cfg(feature = "axum")]
pub(crate) fn call_failed(code: &'static str, error: &dyn Display, is_logged: bool) {
    static SAMPLE: Sampler = Sampler::new();
    if is_logged {
        tracing::debug!(target: "countersign::outbound", code, "request answered by an error that is logged already");
    } else if SAMPLE.admit(SystemClock.elapsed()).is_some() {
        tracing::warn!(target: "countersign::outbound", code, %error, "request answered by the error of a call");
    }
}

pub(crate) fn secret_file_changed(file: &str) {
    tracing::info!(target: "countersign::outbound", file, "secret or key file changed");
}

pub(crate) fn secret_file_unusable(file: &str, error: &dyn Display) {
    tracing::warn!(
        target: "countersign::outbound", file, %error,
        "secret or key file is unusable; using the last good content, if any"
    );
}

/// `sample` is that of the origin, which is configured: a flood at one hides no event of another.
pub(crate) fn token_dropped(origin: &str, sample: &Sampler, elapsed: Duration) {
    if let Some(unlogged) = sample.admit(elapsed) {
        tracing::info!(target: "countersign::outbound", origin, unlogged, "token dropped after a 401");
    }
}
