//! The compiler's messages for methods whose feature is missing.
//!
//! Rust reports a missing feature for functions and types, but not for methods.

use super::collect::GatewayMetrics;

/// Implemented by no type.
#[cfg(not(feature = "metrics"))]
#[diagnostic::on_unimplemented(
    message = "`GatewayMetrics` publishes to the crate `metrics` only with the feature `metrics`",
    label = "requires the feature `metrics`",
    note = "in Cargo.toml: countersign-gateway = {{ version = \"0.1\", features = [\"metrics\"] }}; `observe` is for OpenTelemetry"
)]
pub trait GatewayMetricsFeature {}

#[cfg(not(feature = "metrics"))]
#[doc(hidden)]
impl GatewayMetrics {
    pub fn publish(&self)
    where
        for<'a> Self: GatewayMetricsFeature,
    {
    }

    pub fn publish_every(self, _: std::time::Duration)
    where
        for<'a> Self: GatewayMetricsFeature,
    {
    }
}

/// Implemented by no type.
#[cfg(not(feature = "otel"))]
#[diagnostic::on_unimplemented(
    message = "`GatewayMetrics::observe` exists only with the feature `otel`",
    label = "requires the feature `otel`",
    note = "in Cargo.toml: countersign-gateway = {{ version = \"0.1\", features = [\"otel\"] }}; `publish_every` is for the crate `metrics`"
)]
pub trait GatewayOtelFeature {}

#[cfg(not(feature = "otel"))]
#[doc(hidden)]
impl GatewayMetrics {
    pub fn observe(self)
    where
        for<'a> Self: GatewayOtelFeature,
    {
    }
}
