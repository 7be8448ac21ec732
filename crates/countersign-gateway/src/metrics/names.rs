//! The metrics, with their names in both systems.

use countersign_core::integration::{Metric, MetricKind};

use crate::counts::DURATION_NAME;

/// The upper limits of the buckets for times of decisions, in seconds.
///
/// OpenTelemetry gets them by itself. A Prometheus exporter for the crate `metrics` needs them for
/// `countersign_gateway_decision_duration_seconds`, or it exports quantiles instead.
///
/// ```
/// assert!(countersign_gateway::DECISION_TIME_BUCKETS.is_sorted());
/// ```
pub const DECISION_TIME_BUCKETS: [f64; 12] =
    [0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5];

pub(super) const DECISIONS: Metric = Metric {
    kind: MetricKind::Counter,
    name: "countersign_gateway_decisions_total",
    otel_name: "countersign.gateway.decisions",
    unit: "{decision}",
    help: "Decisions about requests by edge and outcome",
};
pub(super) const DURATION: Metric = Metric {
    kind: MetricKind::Histogram,
    name: DURATION_NAME,
    otel_name: "countersign.gateway.decision.duration",
    unit: "s",
    help: "Time of one decision, with its swap",
};
pub(super) const SWAPS: Metric = Metric {
    kind: MetricKind::Counter,
    name: "countersign_gateway_swaps_total",
    otel_name: "countersign.gateway.swaps",
    unit: "{swap}",
    help: "Swaps of credentials by the prefix of their routes and outcome: new, cached, refused, failed",
};
pub(super) const EXCHANGES: Metric = Metric {
    kind: MetricKind::Counter,
    name: "countersign_gateway_exchanges_total",
    otel_name: "countersign.gateway.exchanges",
    unit: "{request}",
    help: "Requests to the token service of a swap, refreshes included, by result: ok, failed",
};
pub(super) const TOKENS: Metric = Metric {
    kind: MetricKind::Gauge,
    name: "countersign_gateway_swap_tokens",
    otel_name: "countersign.gateway.swap_tokens",
    unit: "{token}",
    help: "Tokens for the next service in memory",
};

/// Every metric, in the order of the documentation.
pub(super) const ALL: [Metric; 5] = [DECISIONS, DURATION, SWAPS, EXCHANGES, TOKENS];
