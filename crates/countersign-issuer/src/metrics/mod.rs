//! Numbers for dashboards and alarms, through the crate `metrics` or OpenTelemetry (features of these names).
//!
//! Names and labels are listed in `docs/telemetry.md` and change only in a breaking release. Every label has a closed set of
//! values: the names of issuers, grants, outcomes and error codes. No client is among them.

mod collect;
#[cfg(not(all(feature = "metrics", feature = "otel")))]
mod missing;
mod names;
#[cfg(feature = "otel")]
mod otel;
#[cfg(feature = "metrics")]
mod recorder;

pub use collect::IssuerMetrics;
pub use names::STORE_TIME_BUCKETS;
