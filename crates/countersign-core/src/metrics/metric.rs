//! A metric with its names in both systems, and its numbers.

/// A metric, with its names in both systems.
///
/// ```
/// use countersign_core::integration::{Metric, MetricKind};
///
/// static CACHED: Metric = Metric {
///     kind: MetricKind::Gauge,
///     name: "countersign_cached_tokens",
///     otel_name: "countersign.cached_tokens",
///     unit: "{token}",
///     help: "Verified tokens in the cache",
/// };
/// assert_eq!(CACHED.kind, MetricKind::Gauge);
/// ```
#[derive(Debug, PartialEq)]
pub struct Metric {
    /// Counter, gauge or histogram.
    pub kind: MetricKind,
    /// The name in Prometheus.
    pub name: &'static str,
    /// The name in OpenTelemetry.
    pub otel_name: &'static str,
    /// The unit, as OpenTelemetry writes it.
    pub unit: &'static str,
    /// The description.
    pub help: &'static str,
}

/// The kind of a metric; [`Metric`] has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A sum that only grows.
    Counter,
    /// A level.
    Gauge,
    /// Durations, recorded one by one.
    Histogram,
}

/// A number of a [`Sample`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricValue {
    /// Of a counter.
    Count(u64),
    /// Of a gauge.
    Level(f64),
}

/// One number of a metric at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The metric.
    pub metric: &'static Metric,
    /// The names and values of its labels.
    pub labels: Vec<(&'static str, String)>,
    /// The number.
    pub value: MetricValue,
}
