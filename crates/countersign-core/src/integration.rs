//! Building blocks for the sibling crates that put a verifier into a server: not needed to use one.
//!
//! A service calls [`Verifier::verify`](crate::verify::Verifier::verify) and reads the
//! [`Verified`](crate::verify::Verified) token. Middleware that must not allocate or wait while keys are cached calls
//! [`verify_with_cached_keys`](crate::verify::Verifier::verify_with_cached_keys) instead and handles each [`Step`].
//! Every item of that kind is here and nowhere else. Items here may change in a minor release; users of the crate
//! `countersign` meet none of them.
//!
//! The types in the signatures of [`KeySource`](crate::key::KeySource) are not here but in [`key`](crate::key):
//! applications implement that trait.
//!
//! ```
//! use std::sync::Arc;
//! use countersign_core::integration::Step;
//! use countersign_core::{key::StaticKeys, policy::NeedsAudience, verify::Verifier};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let issuer = NeedsAudience::new("https://id.example.com", Arc::new(StaticKeys::new([]))).audience("orders");
//! let verifier = Verifier::new(issuer)?;
//! let token = "eyJhbGciOiJFUzI1NiJ9.e30.c2ln";
//! let result = match verifier.verify_with_cached_keys(token) {
//!     Step::Done(result) => result,
//!     Step::NeedsKeys(keys) => {
//!         let outcome = keys.refresh().await;
//!         keys.span().finish(|| verifier.verify_after_refresh(token, &outcome))
//!     }
//! };
//! assert!(result.is_err());
//! # Ok(())
//! # }
//! ```

pub use crate::authz::names::Names;
pub use crate::authz::requirement::facts::{Facts, NoRequest, RequestContext, RequestFacts, Unknown};
pub use crate::budget::{
    NestedBudget, NestedPermit, NestedUnit, NestedUnits, OccupancyBudget, OverBudget, Permit, RankedQueue, RateBudget,
    Spent, Standing, fair_share,
};
pub use crate::cache::DigestCache;
pub use crate::claims::typed::TokenClaims;
pub use crate::clock::sweep::SweepTime;
pub use crate::counter::Counter;
pub use crate::digest::{DigestKey, KeyedDigest, sha256, sha256_of};
pub use crate::key::memory::KeyMemory;
#[cfg(feature = "otel")]
pub use crate::metrics::{DurationHistogram, observe_metrics};
#[cfg(any(feature = "metrics", feature = "otel"))]
pub use crate::metrics::{Metric, MetricKind, MetricValue, Sample};
#[cfg(feature = "metrics")]
pub use crate::metrics::{Publisher, describe_metrics};
pub use crate::policy::issuer::discovery_document_fault;
pub use crate::policy::resolved::{IssuerLookup, IssuerSource, ResolvedIssuer};
pub use crate::proof::explain::{ExplainedRequest, explain_proof};
pub use crate::redact::{is_visible, message_without_values, safe_text, safe_text_within, visible_text, word};
#[cfg(feature = "status-list")]
pub use crate::status::claim::{remember_list, remembered_list};
pub use crate::token::registered::RegisteredClaim;
pub use crate::token::{decode_base64url, has_unique_names};
pub use crate::verify::binding::Possession;
pub use crate::verify::caller_keys::caller_keys;
pub use crate::verify::enqueued::verify_enqueued;
pub use crate::verify::explain_introspected::{ExplainedAnswer, explain_introspection};
pub use crate::verify::identified::{ListSearch, ListStates, session_identifier, token_identifier};
pub use crate::verify::identifiers::{IdentifierKind, SessionIdentifier, identifier_digest};
pub use crate::verify::introspected::{
    Introspected, MAX_ANSWER_BYTES, SignedAnswer, check_signed_answer, read_introspection,
};
pub use crate::verify::needs_keys::NeedsKeys;
pub use crate::verify::presented::{explain_presented, verify_presented};
pub use crate::verify::replaceable::may_have_status_lists;
pub use crate::verify::report::add_status_check;
pub use crate::verify::security_event::{
    EventCheck, LogoutEvent, MAX_EVENT_TOKEN_BYTES, SignalEvents, check_logout_token, check_signal_token,
};
pub use crate::verify::signature::Signed;
pub use crate::verify::span::VerificationSpan;
#[cfg(feature = "status-list")]
pub use crate::verify::status_list::{CheckedStatusList, ExpectedStatusList, StatusListStep, check_status_list};
pub use crate::verify::still_accepted::still_accepts;
pub use crate::verify::transaction::{
    TransactionStep, UncachedTransaction, cached_transaction, check_in_transaction, explain_in_transaction,
    still_accepts_transaction, transaction_text, verify_transaction_after_refresh,
};
pub use crate::verify::transaction_replaceable::{
    TransactionReplacer, build_replaceable_transactions, issuer_of_transactions,
};
pub use crate::verify::verifier::{Step, Uncached};
pub use crate::verify::vouched::{
    check_sender, has_same_authorities, is_vouched_now, verified_bytes, view_of, vouch, vouch_again, vouched_claims,
};
