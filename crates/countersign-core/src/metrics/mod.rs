//! Numbers for dashboards, as the sibling crates give them to the crate `metrics` and to OpenTelemetry.

mod metric;
#[cfg(feature = "otel")]
mod otel;
#[cfg(feature = "metrics")]
mod recorder;

pub use metric::{Metric, MetricKind, MetricValue, Sample};
#[cfg(feature = "otel")]
pub use otel::{DurationHistogram, observe_metrics};
#[cfg(feature = "metrics")]
pub use recorder::{Publisher, describe_metrics};
