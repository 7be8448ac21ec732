//! Publication through the crate `metrics`.

use std::time::Duration;

use ::metrics::{Label, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};

use super::collect::{IssuerMetrics, Sample, Value};
use super::names::{ALL, Kind, Metric};

/// The shortest time between two publications.
const MIN_PERIOD: Duration = Duration::from_millis(100);

impl IssuerMetrics {
    /// Publishes the numbers of now to the recorder of the crate `metrics`, such as when they are scraped.
    pub fn publish(&self) {
        self.collect(|Sample { metric, labels, value }| {
            let labels: Vec<Label> = labels.into_iter().map(|(name, value)| Label::new(name, value)).collect();
            match value {
                Value::Count(number) => counter!(metric.name, labels).absolute(number),
                Value::Level(number) => gauge!(metric.name, labels).set(number),
            }
        });
    }

    /// Describes the metrics to the recorder and publishes the numbers now and at this interval, as long as the runtime lives.
    ///
    /// Call it on a tokio runtime, after the recorder is installed.
    pub fn publish_every(self, interval: Duration) {
        ALL.iter().for_each(describe);
        self.publish();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                loop {
                    tokio::time::sleep(interval.max(MIN_PERIOD)).await;
                    self.publish();
                }
            });
        }
    }
}

fn describe(metric: &Metric) {
    let unit = match metric.unit {
        "s" => Unit::Seconds,
        _ => Unit::Count,
    };
    match metric.kind {
        Kind::Counter => describe_counter!(metric.name, unit, metric.help),
        Kind::Gauge => describe_gauge!(metric.name, unit, metric.help),
        Kind::Histogram => describe_histogram!(metric.name, unit, metric.help),
    }
}
