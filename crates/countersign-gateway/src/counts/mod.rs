//! Counts and times of decisions and swaps.

mod decision_time;
mod outcomes;

#[cfg(any(feature = "metrics", feature = "otel"))]
pub(crate) use decision_time::DURATION_NAME;
pub(crate) use decision_time::DecisionTimer;
#[cfg(feature = "otel")]
pub(crate) use decision_time::set_histogram;
pub(crate) use outcomes::{DecisionCounts, SwapCounts, SwapOutcome};
