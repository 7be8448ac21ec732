//! Observation by OpenTelemetry.

use countersign_core::integration::observe_metrics;

use super::collect::GatewayMetrics;
use super::names::{ALL, DECISION_TIME_BUCKETS};
use crate::counts::set_histogram;

/// The instrumentation scope.
const SCOPE: &str = "countersign_gateway";

impl GatewayMetrics {
    /// Registers the numbers with OpenTelemetry's global meter provider, which reads them whenever it collects.
    ///
    /// Call it once, after the provider is set.
    ///
    /// ```
    /// use countersign_gateway::{Gateway, GatewayMetrics};
    ///
    /// fn start(gateway: &Gateway) {
    ///     GatewayMetrics::new(gateway, "nginx").observe();
    /// }
    /// # let _ = start;
    /// ```
    pub fn observe(self) {
        observe_metrics(SCOPE, &ALL, &DECISION_TIME_BUCKETS, set_histogram, move |add| self.collect(add));
    }
}
