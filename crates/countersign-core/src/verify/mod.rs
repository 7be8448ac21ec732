//! Verification of tokens by the policy and the keys of their issuer.

mod admissions;
mod atomics;
pub(crate) mod binding;
mod builder;
pub(crate) mod caller_keys;
pub(crate) mod compared;
pub(crate) mod enqueued;
mod explain;
pub(crate) mod explain_introspected;
mod headers;
pub(crate) mod identified;
pub(crate) mod identifiers;
pub(crate) mod introspected;
mod namespaces;
pub(crate) mod needs_keys;
pub(crate) mod presented;
pub(crate) mod replaceable;
pub(crate) mod report;
mod revision;
mod rules;
pub(crate) mod security_event;
pub(crate) mod shadow;
mod shadow_slot;
pub(crate) mod signature;
pub(crate) mod span;
mod states;
#[cfg(feature = "status-list")]
pub(crate) mod status_list;
pub(crate) mod still_accepted;
pub(crate) mod transaction;
pub(crate) mod transaction_replaceable;
mod verified;
pub(crate) mod verifier;
pub(crate) mod vouched;

pub use binding::Binding;
pub use builder::VerifierBuilder;
pub use replaceable::PolicyReplacer;
pub use report::{Check, Outcome, Report, Verdict};
pub use shadow_slot::ShadowCounts;
pub use transaction::{
    MAX_TRANSACTION_TOKEN_BYTES, TRANSACTION_CACHE_BYTES, TransactionToken, TransactionVerifier,
    TransactionVerifierBuilder,
};
pub use verified::Verified;
pub use verifier::{VerificationStats, Verifier};

use std::time::Duration;

/// The default capacity of the verified-token cache, in bytes.
pub const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// The longest time that a verified token stays in the cache.
pub const CACHE_MAX_AGE: Duration = Duration::from_secs(300);
