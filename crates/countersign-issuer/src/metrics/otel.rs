//! Observation by OpenTelemetry.

use countersign_core::integration::observe_metrics;

use super::collect::IssuerMetrics;
use super::names::{ALL, STORE_TIME_BUCKETS};
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
        observe_metrics(SCOPE, &ALL, &STORE_TIME_BUCKETS, set_store_histogram, move |add| self.collect(add));
    }
}
