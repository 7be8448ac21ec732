//! Observation by OpenTelemetry.

use opentelemetry::{KeyValue, global};

use super::collect::{IssuerMetrics, Sample, Value};
use super::names::{ALL, Kind, Metric, STORE_TIME_BUCKETS};
use crate::counts::set_store_histogram;

/// The instrumentation scope.
const SCOPE: &str = "countersign_issuer";

impl IssuerMetrics {
    /// Registers the numbers with OpenTelemetry's global meter provider, which reads them whenever it collects.
    ///
    /// Call it once, after the provider is set.
    ///
    /// ```
    /// use countersign_issuer::{Issuer, IssuerMetrics};
    ///
    /// fn start(issuer: &Issuer) {
    ///     IssuerMetrics::new(issuer).observe();
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
                Kind::Histogram => set_store_histogram(
                    meter
                        .f64_histogram(name)
                        .with_unit(unit)
                        .with_description(help)
                        .with_boundaries(STORE_TIME_BUCKETS.to_vec())
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
