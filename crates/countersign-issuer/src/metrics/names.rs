//! The metrics, with their names in both systems.

use countersign_core::integration::{Metric, MetricKind};

use crate::counts::STORE_TIME_NAME;

/// The upper limits of the buckets for times of store calls, in seconds.
///
/// OpenTelemetry gets them by itself. A Prometheus exporter for the crate `metrics` needs them for
/// `countersign_issuer_store_duration_seconds`, or it exports quantiles instead.
///
/// ```
/// assert!(countersign_issuer::STORE_TIME_BUCKETS.is_sorted());
/// ```
pub const STORE_TIME_BUCKETS: [f64; 12] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0];

pub(super) const TOKEN_REQUESTS: Metric = Metric {
    kind: MetricKind::Counter,
    name: "countersign_issuer_token_requests_total",
    otel_name: "countersign.issuer.token_requests",
    unit: "{request}",
    help: "Token requests by grant, outcome and code",
};
pub(super) const INTROSPECTIONS: Metric = Metric {
    kind: MetricKind::Counter,
    name: "countersign_issuer_introspections_total",
    otel_name: "countersign.issuer.introspections",
    unit: "{request}",
    help: "Introspections by outcome and code",
};
pub(super) const REVOCATIONS: Metric = Metric {
    kind: MetricKind::Counter,
    name: "countersign_issuer_revocations_total",
    otel_name: "countersign.issuer.revocations",
    unit: "{request}",
    help: "Revocations by outcome and code",
};
pub(super) const KEYS: Metric = Metric {
    kind: MetricKind::Gauge,
    name: "countersign_issuer_keys",
    otel_name: "countersign.issuer.keys",
    unit: "{key}",
    help: "Published signing keys by state: pending, active, retiring",
};
pub(super) const KEY_AGE: Metric = Metric {
    kind: MetricKind::Gauge,
    name: "countersign_issuer_key_age_seconds",
    otel_name: "countersign.issuer.key_age",
    unit: "s",
    help: "Time since the active key began to sign",
};
pub(super) const KEY_MAINTENANCE: Metric = Metric {
    kind: MetricKind::Counter,
    name: "countersign_issuer_key_maintenance_total",
    otel_name: "countersign.issuer.key_maintenance",
    unit: "{run}",
    help: "Reads and changes of the stored signing keys by result: ok, failed",
};
pub(super) const STORE_TIME: Metric = Metric {
    kind: MetricKind::Histogram,
    name: STORE_TIME_NAME,
    otel_name: "countersign.issuer.store.duration",
    unit: "s",
    help: "Time of one call of the store, with the wait for a thread",
};

/// Every metric, in the order of the documentation.
pub(super) const ALL: [Metric; 7] =
    [TOKEN_REQUESTS, INTROSPECTIONS, REVOCATIONS, KEYS, KEY_AGE, KEY_MAINTENANCE, STORE_TIME];
