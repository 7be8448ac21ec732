//! Plumbing for the sibling crates, which must read responses and files as services do.
//!
//! Other code has no need of these items, and they may change in any release.

#[cfg(feature = "axum")]
pub use crate::app::direct::{DirectDecision, DirectRoute, DirectRoutes, DirectWait};
#[cfg(feature = "axum")]
pub use crate::authenticate::direct::AdmittedRequest;
#[cfg(feature = "_fetch")]
pub use crate::fetch::{ConnectionFailure, fresh_for, redirect_target, retry_after, unexpected_form, with_connection};
pub use crate::file::{read_text, replace_file};
#[cfg(feature = "axum")]
pub use crate::guard::operation::{OperationGuard, refuse_other_audience, refuse_unclear_operation};
pub use crate::lifetime::end::TokenEndParts;
#[cfg(feature = "outbound")]
pub use crate::outbound::challenge::challenge_parameters;
pub use crate::proof::replay_counts::ReplayCounts;
pub use crate::telemetry::Sampler;
pub use countersign_core::integration::{is_visible, message_without_values, visible_text};
