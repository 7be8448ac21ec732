//! The metrics, with their names in both systems.

use countersign_core::integration::{Metric, MetricKind};

use crate::telemetry::counts;

/// The upper limits of the buckets for times of verifications, in seconds.
///
/// OpenTelemetry gets them by itself. A Prometheus exporter for the crate `metrics` needs them for
/// `countersign_verification_duration_seconds`, or it exports quantiles instead.
///
/// ```
/// assert!(countersign::metrics::DURATION_BUCKETS.is_sorted());
/// ```
pub const DURATION_BUCKETS: [f64; 11] =
    [0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25];

const fn metric(
    kind: MetricKind,
    name: &'static str,
    otel_name: &'static str,
    unit: &'static str,
    help: &'static str,
) -> Metric {
    Metric { name, otel_name, unit, kind, help }
}

pub(super) const REQUESTS: Metric = metric(
    MetricKind::Counter,
    "countersign_requests_total",
    "countersign.requests",
    "{request}",
    "Requests by outcome and code; a denied one was authenticated before",
);
pub(super) const AUTHENTICATED: Metric = metric(
    MetricKind::Counter,
    "countersign_authenticated_total",
    "countersign.authenticated",
    "{request}",
    "Authenticated requests by kind of credential: signed, opaque, api_key",
);
pub(super) const INTROSPECTIONS: Metric = metric(
    MetricKind::Counter,
    "countersign_introspections_total",
    "countersign.introspections",
    "{token}",
    "Opaque tokens by result: cached, ok, failed, impossible",
);
pub(super) const INTROSPECTIONS_WAITING: Metric = metric(
    MetricKind::Gauge,
    "countersign_introspections_waiting",
    "countersign.introspections.waiting",
    "{token}",
    "Opaque tokens that wait to be asked about",
);
pub(super) const VERIFICATIONS: Metric = metric(
    MetricKind::Counter,
    "countersign_verifications_total",
    "countersign.verifications",
    "{token}",
    "Tokens by result: verified, cached, refused, undecided",
);
pub(super) const DURATION: Metric = metric(
    MetricKind::Histogram,
    counts::DURATION_NAME,
    "countersign.verification.duration",
    "s",
    "Time of one verification with current keys, without those that the cache saved",
);
pub(super) const CACHED: Metric = metric(
    MetricKind::Gauge,
    "countersign_cached_tokens",
    "countersign.cached_tokens",
    "{token}",
    "Verified tokens in the cache",
);
pub(super) const KEY_AGE: Metric = metric(
    MetricKind::Gauge,
    "countersign_keys_age_seconds",
    "countersign.keys.age",
    "s",
    "Time since the current keys of the issuer were fetched",
);
pub(super) const KEYS_READY: Metric = metric(
    MetricKind::Gauge,
    "countersign_keys_ready",
    "countersign.keys.ready",
    "1",
    "1 if the issuer has usable keys, else 0",
);
pub(super) const KEYS_STALE: Metric = metric(
    MetricKind::Gauge,
    "countersign_keys_stale",
    "countersign.keys.stale",
    "1",
    "1 if the issuer's keys are used past their lifetime because fetches fail, else 0",
);
pub(super) const KEY_FETCHES: Metric = metric(
    MetricKind::Counter,
    "countersign_key_fetches_total",
    "countersign.key_fetches",
    "{fetch}",
    "Fetches of the issuer's keys by result: ok, failed",
);
pub(super) const KEY_REFRESHES_SUPPRESSED: Metric = metric(
    MetricKind::Counter,
    "countersign_key_refreshes_suppressed_total",
    "countersign.key_refreshes_suppressed",
    "{request}",
    "Refreshes of the issuer's keys that the cool-down or a back-off suppressed",
);
pub(super) const TOKEN_FETCHES: Metric = metric(
    MetricKind::Counter,
    "countersign_outbound_token_fetches_total",
    "countersign.outbound.token_fetches",
    "{fetch}",
    "Token requests for the origin by result: ok, failed",
);
pub(super) const TOKEN_RENEWALS: Metric = metric(
    MetricKind::Counter,
    "countersign_outbound_token_renewals_total",
    "countersign.outbound.token_renewals",
    "{token}",
    "Tokens dropped because the origin answered 401",
);
pub(super) const CALLERS: Metric = metric(
    MetricKind::Gauge,
    "countersign_outbound_callers",
    "countersign.outbound.callers",
    "{caller}",
    "Callers with cached tokens for the origin",
);
pub(super) const CALLER_BYTES: Metric = metric(
    MetricKind::Gauge,
    "countersign_outbound_caller_bytes",
    "countersign.outbound.caller_memory",
    "By",
    "Memory of the callers and their tokens",
);

pub(super) const REPLAY_ENTRIES: Metric = metric(
    MetricKind::Gauge,
    "countersign_replay_entries",
    "countersign.replay.entries",
    "{proof}",
    "Used proofs in the memory of this process that still count",
);
pub(super) const REPLAY_REFUSALS: Metric = metric(
    MetricKind::Counter,
    "countersign_replay_refusals_total",
    "countersign.replay.refusals",
    "{proof}",
    "Proofs that the store of used proofs refused, by result: used, forgotten, share_used_up, unavailable",
);

pub(super) const REVOCATIONS: Metric = metric(
    MetricKind::Gauge,
    "countersign_revocations",
    "countersign.revocations",
    "{revocation}",
    "Revocations in the memory of this process",
);
pub(super) const REVOCATIONS_AGE: Metric = metric(
    MetricKind::Gauge,
    "countersign_revocations_age_seconds",
    "countersign.revocations.age",
    "s",
    "Time since the list of revocations was last confirmed to be complete, by the slowest of its feeds",
);
pub(super) const REVOCATIONS_COMPLETE: Metric = metric(
    MetricKind::Gauge,
    "countersign_revocations_complete",
    "countersign.revocations.complete",
    "1",
    "1 if the list of revocations is complete, 0 if statuses are unknown",
);
pub(super) const REVOCATIONS_REFUSED: Metric = metric(
    MetricKind::Counter,
    "countersign_revocations_refused_total",
    "countersign.revocations.refused",
    "{revocation}",
    "Revocations for which the list had no room",
);

pub(super) const SHADOW: Metric = metric(
    MetricKind::Gauge,
    "countersign_shadow_tokens",
    "countersign.shadow.tokens",
    "{token}",
    "Tokens compared with the shadow policy since either policy was replaced, by result: same, newly_refused, newly_admitted, other_authorities, undecided",
);

pub(super) const STATUS_LISTS: Metric = metric(
    MetricKind::Gauge,
    "countersign_status_lists",
    "countersign.status_lists",
    "{list}",
    "Status lists in memory by state: usable, unusable",
);
pub(super) const STATUS_LIST_AGE: Metric = metric(
    MetricKind::Gauge,
    "countersign_status_lists_age_seconds",
    "countersign.status_lists.age",
    "s",
    "Time since the oldest usable status list was fetched",
);
pub(super) const STATUS_LIST_FETCHES: Metric = metric(
    MetricKind::Counter,
    "countersign_status_list_fetches_total",
    "countersign.status_list_fetches",
    "{fetch}",
    "Fetches of status lists by result: ok, failed",
);

/// Every metric, in the order of the documentation.
#[cfg_attr(not(feature = "otel"), allow(dead_code, reason = "described on publication"))]
pub(super) const ALL: [Metric; 26] = [
    REQUESTS,
    AUTHENTICATED,
    VERIFICATIONS,
    DURATION,
    CACHED,
    KEY_AGE,
    KEYS_READY,
    KEYS_STALE,
    KEY_FETCHES,
    KEY_REFRESHES_SUPPRESSED,
    TOKEN_FETCHES,
    TOKEN_RENEWALS,
    CALLERS,
    CALLER_BYTES,
    INTROSPECTIONS,
    INTROSPECTIONS_WAITING,
    REPLAY_ENTRIES,
    REPLAY_REFUSALS,
    REVOCATIONS,
    REVOCATIONS_AGE,
    REVOCATIONS_COMPLETE,
    REVOCATIONS_REFUSED,
    SHADOW,
    STATUS_LISTS,
    STATUS_LIST_AGE,
    STATUS_LIST_FETCHES,
];
