//! Publication through the crate `metrics`.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use ::metrics::{Label, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};

use super::metric::{Metric, MetricKind, MetricValue, Sample};

/// Describes the metrics to the recorder of the crate `metrics` (feature `metrics`).
///
/// ```
/// use countersign_core::integration::{Metric, MetricKind, MetricValue, Publisher, Sample, describe_metrics};
///
/// static CACHED: Metric = Metric {
///     kind: MetricKind::Gauge,
///     name: "countersign_cached_tokens",
///     otel_name: "countersign.cached_tokens",
///     unit: "{token}",
///     help: "Verified tokens in the cache",
/// };
/// describe_metrics([&CACHED]);
/// Publisher::default().publish(|add| {
///     add(Sample { metric: &CACHED, labels: Vec::new(), value: MetricValue::Level(7.0) });
/// });
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

/// Publishes numbers to the recorder of the crate `metrics` (feature `metrics`); [`describe_metrics`] has an example.
///
/// A recorder keeps a gauge for ever. One that is not among the numbers any more, such as of an issuer that was removed, is
/// therefore set to NaN once, which no alarm compares with.
#[derive(Debug, Default)]
pub struct Publisher(Mutex<HashSet<Series>>);

/// The name and the labels of a gauge.
type Series = (&'static str, Vec<(&'static str, String)>);

impl Publisher {
    /// Publishes all numbers that `collect` passes on.
    pub fn publish(&self, collect: impl FnOnce(&mut dyn FnMut(Sample))) {
        let mut gauges = HashSet::new();
        collect(&mut |sample| {
            if matches!(sample.value, MetricValue::Level(_)) {
                gauges.insert((sample.metric.name, sample.labels.clone()));
            }
            match sample.value {
                MetricValue::Count(number) => {
                    counter!(sample.metric.name, labels(sample.labels)).absolute(number);
                }
                MetricValue::Level(number) => gauge!(sample.metric.name, labels(sample.labels)).set(number),
            }
        });
        let mut published = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, of) in published.drain().filter(|series| !gauges.contains(series)) {
            gauge!(name, labels(of)).set(f64::NAN);
        }
        *published = gauges;
    }
}

fn labels(labels: Vec<(&'static str, String)>) -> Vec<Label> {
    labels.into_iter().map(|(name, value)| Label::new(name, value)).collect()
}
