//! Observation by OpenTelemetry.

use opentelemetry::{KeyValue, global};

use super::collect::{Metrics, Sample, Value};
use super::names::{ALL, DURATION_BUCKETS, Kind, Metric};
use crate::telemetry::counts;

/// The instrumentation scope.
const SCOPE: &str = "countersign";

impl Metrics {
    /// Registers the numbers with OpenTelemetry's global meter provider, which reads them whenever it collects.
    ///
    /// Call it once, after the provider is set.
    ///
    /// ```
    /// use countersign::metrics::Metrics;
    /// use countersign::prelude::*;
    ///
    /// fn start(verifier: &Verifier) {
    ///     Metrics::new(verifier).observe();
    /// }
    /// # let _ = start;
    /// ```
    pub fn observe(self) {
        let meter = global::meter(SCOPE);
        for metric in &ALL {
            let (name, unit, help) = (metric.otel_name, metric.unit, metric.help);
            let this = self.clone();
            match metric.kind {
                Kind::Counter => drop(
                    meter
                        .u64_observable_counter(name)
                        .with_unit(unit)
                        .with_description(help)
                        .with_callback(move |observer| {
                            this.each_of(metric, |labels, value| {
                                if let Value::Count(number) = value {
                                    observer.observe(number, labels);
                                }
                            });
                        })
                        .build(),
                ),
                Kind::Gauge => drop(
                    meter
                        .f64_observable_gauge(name)
                        .with_unit(unit)
                        .with_description(help)
                        .with_callback(move |observer| {
                            this.each_of(metric, |labels, value| {
                                if let Value::Level(number) = value {
                                    observer.observe(number, labels);
                                }
                            });
                        })
                        .build(),
                ),
                Kind::Histogram => counts::set_duration_histogram(
                    meter
                        .f64_histogram(name)
                        .with_unit(unit)
                        .with_description(help)
                        .with_boundaries(DURATION_BUCKETS.to_vec())
                        .build(),
                ),
            }
        }
    }

    fn each_of(&self, metric: &Metric, mut observe: impl FnMut(&[KeyValue], Value)) {
        self.collect(|Sample { metric: of, labels, value }| {
            if of == metric {
                let labels: Vec<KeyValue> =
                    labels.into_iter().map(|(name, value)| KeyValue::new(name, value)).collect();
                observe(&labels, value);
            }
        });
    }
}
