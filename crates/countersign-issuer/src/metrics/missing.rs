//! The compiler's messages for methods whose feature is missing.
//!
//! Rust reports a missing feature for functions and types, but not for methods.

use super::collect::IssuerMetrics;

/// Implemented by no type.
#[cfg(not(feature = "metrics"))]
#[diagnostic::on_unimplemented(
    message = "`IssuerMetrics` publishes to the crate `metrics` only with the feature `metrics`",
    label = "requires the feature `metrics`",
    note = "in Cargo.toml: countersign-issuer = {{ version = \"0.1\", features = [\"metrics\"] }}; `observe` is for OpenTelemetry"
)]
pub trait IssuerMetricsFeature {}

#[cfg(not(feature = "metrics"))]
#[doc(hidden)]
impl IssuerMetrics {
    pub fn publish(&self)
    where
        for<'a> Self: IssuerMetricsFeature,
    {
    }

    pub fn publish_every(self, _: std::time::Duration)
    where
        for<'a> Self: IssuerMetricsFeature,
    {
    }
}

/// Implemented by no type.
#[cfg(not(feature = "otel"))]
#[diagnostic::on_unimplemented(
    message = "`IssuerMetrics::observe` exists only with the feature `otel`",
    label = "requires the feature `otel`",
    note = "in Cargo.toml: countersign-issuer = {{ version = \"0.1\", features = [\"otel\"] }}; `publish_every` is for the crate `metrics`"
)]
pub trait IssuerOtelFeature {}

#[cfg(not(feature = "otel"))]
#[doc(hidden)]
impl IssuerMetrics {
    pub fn observe(self)
    where
        for<'a> Self: IssuerOtelFeature,
    {
    }
}
