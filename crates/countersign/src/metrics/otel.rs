//! Observation by OpenTelemetry.

use countersign_core::integration::observe_metrics;

use super::collect::Metrics;
use super::names::{ALL, DURATION_BUCKETS};
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
        observe_metrics(SCOPE, &ALL, &DURATION_BUCKETS, counts::set_duration_histogram, move |add| self.collect(add));
    }
}
