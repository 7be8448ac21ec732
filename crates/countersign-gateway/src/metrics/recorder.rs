//! Publication through the crate `metrics`.

use std::time::Duration;

use countersign_core::integration::describe_metrics;

use super::collect::GatewayMetrics;
use super::names::ALL;

/// The shortest time between two publications.
const MIN_PERIOD: Duration = Duration::from_millis(100);

impl GatewayMetrics {
    /// Publishes the numbers of now to the recorder of the crate `metrics`, such as when they are scraped.
    pub fn publish(&self) {
        self.publisher.publish(|add| self.collect(add));
    }

    /// Describes the metrics to the recorder and publishes the numbers now and at this interval, as long as the runtime lives.
    ///
    /// Call it on a tokio runtime, after the recorder is installed.
    pub fn publish_every(self, interval: Duration) {
        describe_metrics(&ALL);
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
