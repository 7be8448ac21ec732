//! Numbers for dashboards and alarms, through the crate `metrics` or OpenTelemetry (features of these names).
//!
//! Names and labels are listed in `docs/telemetry.md` and change only in a breaking release. Every label has a closed set of
//! values: outcomes, the edge, and the prefixes of the configured swaps. Nothing that a client sends is among them.

mod collect;
#[cfg(not(all(feature = "metrics", feature = "otel")))]
mod missing;
mod names;
#[cfg(feature = "otel")]
mod otel;
#[cfg(feature = "metrics")]
mod recorder;

pub use collect::GatewayMetrics;
pub use names::DECISION_TIME_BUCKETS;
