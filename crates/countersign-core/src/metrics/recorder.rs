//! Publication through the crate `metrics`.

use ::metrics::{Label, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};

use super::metric::{Metric, MetricKind, MetricValue, Sample};

/// Describes the metrics to the recorder of the crate `metrics` (feature `metrics`).
///
/// ```
/// use countersign_core::integration::{Metric, MetricKind, MetricValue, Sample, describe_metrics, publish_sample};
///
/// static CACHED: Metric = Metric {
///     kind: MetricKind::Gauge,
///     name: "countersign_cached_tokens",
///     otel_name: "countersign.cached_tokens",
///     unit: "{token}",
///     help: "Verified tokens in the cache",
/// };
/// describe_metrics([&CACHED]);
/// publish_sample(Sample { metric: &CACHED, labels: Vec::new(), value: MetricValue::Level(7.0) });
/// ```
pub fn describe_metrics<'m>(metrics: impl IntoIterator<Item = &'m Metric>) {
    for metric in metrics {
        let unit = match metric.unit {
            "s" => Unit::Seconds,
            "By" => Unit::Bytes,
            _ => Unit::Count,
        };
        match metric.kind {
            MetricKind::Counter => describe_counter!(metric.name, unit, metric.help),
            MetricKind::Gauge => describe_gauge!(metric.name, unit, metric.help),
            MetricKind::Histogram => describe_histogram!(metric.name, unit, metric.help),
        }
    }
}

/// Publishes a number to the recorder of the crate `metrics` (feature `metrics`); [`describe_metrics`] has an
/// example.
pub fn publish_sample(Sample { metric, labels, value }: Sample) {
    let labels: Vec<Label> = labels.into_iter().map(|(name, value)| Label::new(name, value)).collect();
    match value {
        MetricValue::Count(number) => counter!(metric.name, labels).absolute(number),
        MetricValue::Level(number) => gauge!(metric.name, labels).set(number),
    }
}
