//! Proof: a token, judged by its issuer's policy, checked with its issuer's key.

mod builder;
mod compared;
mod explain;
mod headers;
mod inspected;
mod needs;
mod report;
mod rules;
mod signature;
mod verified;
mod verifier;

pub use builder::VerifierBuilder;
pub use inspected::SignatureState;
pub use needs::NeedsKeys;
pub use report::{Check, Outcome, Report, Verdict};
pub use signature::Signed;
pub use verified::Verified;
pub use verifier::{Step, VerificationStats, Verifier};

use std::time::Duration;

/// The bytes that the verified-token cache may hold, by default.
pub const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// The longest time that a verified token stays in the cache.
pub const CACHE_MAX_AGE: Duration = Duration::from_secs(300);
