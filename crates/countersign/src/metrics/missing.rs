//! The compiler's messages for methods whose feature is missing.
//!
//! Rust reports a missing feature for functions and types, but not for methods.

use super::collect::Metrics;

/// Implemented by no type.
#[cfg(not(feature = "metrics"))]
#[diagnostic::on_unimplemented(
    message = "`Metrics` publishes to the crate `metrics` only with the feature `metrics`",
    label = "requires the feature `metrics`",
    note = "in Cargo.toml: countersign = {{ version = \"0.1\", features = [\"metrics\"] }}; `observe` is for OpenTelemetry"
)]
pub trait MetricsFeature {}

#[cfg(not(feature = "metrics"))]
#[doc(hidden)]
impl Metrics {
    pub fn publish(&self)
    where
        for<'a> Self: MetricsFeature,
    {
    }

    pub fn publish_every(self, _: std::time::Duration)
    where
        for<'a> Self: MetricsFeature,
    {
    }
}

/// Implemented by no type.
#[cfg(not(feature = "otel"))]
#[diagnostic::on_unimplemented(
    message = "`Metrics::observe` exists only with the feature `otel`",
    label = "requires the feature `otel`",
    note = "in Cargo.toml: countersign = {{ version = \"0.1\", features = [\"otel\"] }}; `publish_every` is for the crate `metrics`"
)]
pub trait OtelFeature {}

#[cfg(not(feature = "otel"))]
#[doc(hidden)]
impl Metrics {
    pub fn observe(self)
    where
        for<'a> Self: OtelFeature,
    {
    }
}

/// Implemented by no type.
#[cfg(not(feature = "outbound"))]
#[diagnostic::on_unimplemented(
    message = "`Metrics::outbound` exists only with the feature `outbound`",
    label = "requires the feature `outbound`",
    note = "in Cargo.toml: countersign = {{ version = \"0.1\", features = [\"outbound\"] }}"
)]
pub trait OutboundFeature {}

#[cfg(not(feature = "outbound"))]
#[doc(hidden)]
impl Metrics {
    #[must_use]
    pub fn outbound<O>(self, _: &O) -> Self
    where
        for<'a> Self: OutboundFeature,
    {
        self
    }
}
