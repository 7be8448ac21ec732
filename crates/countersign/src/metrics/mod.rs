//! Numbers for dashboards and alarms, through the crate `metrics` or OpenTelemetry (features of these names).
//!
//! Names and labels are listed in [`docs/telemetry.md`](https://docs.rs/countersign) and change only in a breaking release.
//! Every label has a closed set of values: codes of this crate, the configured issuers, and the bound origins.
//!
//! Requests are counted for all layers of the process, in counters that no two threads contend for. Everything else is read
//! from the verifier and the outbound client when the numbers are collected.
//!
//! With the crate `metrics`, install a recorder, and then:
//!
//! ```no_run
//! use std::time::Duration;
//! use countersign::metrics::Metrics;
//! use countersign::prelude::*;
//!
//! # #[cfg(all(feature = "metrics", feature = "outbound"))]
//! async fn start(verifier: &Verifier, outbound: &Outbound) {
//!     Metrics::new(verifier).outbound(outbound).publish_every(Duration::from_secs(5));
//! }
//! # #[cfg(all(feature = "metrics", feature = "outbound"))]
//! # let _ = start;
//! ```
//!
//! With OpenTelemetry, set the global meter provider, and then call `Metrics::observe`.

mod collect;
#[cfg(not(all(feature = "metrics", feature = "otel", feature = "outbound")))]
mod missing;
mod names;
#[cfg(feature = "otel")]
mod otel;
#[cfg(feature = "metrics")]
mod recorder;

pub use collect::Metrics;
pub use names::DURATION_BUCKETS;
