//! Observation by OpenTelemetry.

use std::fmt;

use opentelemetry::metrics::Histogram;
use opentelemetry::{KeyValue, global};

use super::metric::{Metric, MetricKind, MetricValue, Sample};

/// Registers the metrics with OpenTelemetry's global meter provider, which calls `collect` whenever it reads them (feature
/// `otel`). Passes the histogram among them, with these bounds, to `set_histogram`.
///
/// ```
/// use countersign_core::integration::{Metric, MetricKind, MetricValue, Sample, observe_metrics};
///
/// static CACHED: Metric = Metric {
///     kind: MetricKind::Gauge,
///     name: "countersign_cached_tokens",
///     otel_name: "countersign.cached_tokens",
///     unit: "{token}",
///     help: "Verified tokens in the cache",
/// };
/// observe_metrics("example", [&CACHED], &[], drop, |add| {
///     add(Sample { metric: &CACHED, labels: Vec::new(), value: MetricValue::Level(7.0) });
/// });
/// ```
pub fn observe_metrics(
    scope: &'static str,
    metrics: impl IntoIterator<Item = &'static Metric>,
    bounds: &[f64],
    set_histogram: impl Fn(DurationHistogram),
    collect: impl Fn(&mut dyn FnMut(Sample)) + Clone + Send + Sync + 'static,
) {
    let meter = global::meter(scope);
    for metric in metrics {
        let (name, unit, help) = (metric.otel_name, metric.unit, metric.help);
        let collect = collect.clone();
        match metric.kind {
            MetricKind::Counter => drop(
                meter
                    .u64_observable_counter(name)
                    .with_unit(unit)
                    .with_description(help)
                    .with_callback(move |observer| {
                        each_of(metric, &collect, |labels, value| {
                            if let MetricValue::Count(number) = value {
                                observer.observe(number, labels);
                            }
                        });
                    })
                    .build(),
            ),
            MetricKind::Gauge => drop(
                meter
                    .f64_observable_gauge(name)
                    .with_unit(unit)
                    .with_description(help)
                    .with_callback(move |observer| {
                        each_of(metric, &collect, |labels, value| {
                            if let MetricValue::Level(number) = value {
                                observer.observe(number, labels);
                            }
                        });
                    })
                    .build(),
            ),
            MetricKind::Histogram => {
                let histogram = meter.f64_histogram(name).with_unit(unit).with_description(help);
                set_histogram(DurationHistogram(histogram.with_boundaries(bounds.to_vec()).build()));
            }
        }
    }
}

/// A histogram of durations at OpenTelemetry's meter provider; [`observe_metrics`] creates it.
pub struct DurationHistogram(Histogram<f64>);

impl DurationHistogram {
    /// Records a duration in seconds, with these labels.
    pub fn record(&self, seconds: f64, labels: &[(&'static str, &'static str)]) {
        let labels: Vec<KeyValue> = labels.iter().map(|(name, value)| KeyValue::new(*name, *value)).collect();
        self.0.record(seconds, &labels);
    }
}

impl fmt::Debug for DurationHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DurationHistogram")
    }
}

fn each_of(
    metric: &Metric,
    collect: &impl Fn(&mut dyn FnMut(Sample)),
    mut observe: impl FnMut(&[KeyValue], MetricValue),
) {
    collect(&mut |Sample { metric: of, labels, value }| {
        if of == metric {
            let labels: Vec<KeyValue> = labels.into_iter().map(|(name, value)| KeyValue::new(name, value)).collect();
            observe(&labels, value);
        }
    });
}
