//! A rule as a value: built once, combined, printed, written as data, tested without HTTP.
//!
//! To add a kind of condition: define it in the file of its subject (`granted`, `identity`, `login`, `claim`, `tenant`),
//! with its constructor and its [`Condition`](condition::Condition); add a row to the table in `data`; export the
//! constructor here.

mod claim;
mod combine;
mod condition;
mod data;
mod error;
mod evaluate;
mod explain;
pub(crate) mod facts;
mod found;
mod granted;
mod identity;
mod kind;
#[cfg(feature = "_layer")]
mod layer;
mod login;
mod possession;
mod rule;
mod shadow;
mod tenant;
mod text;
mod transaction;
mod verdict;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use claim::names_caller;
pub use claim::{claim, claims_where};
pub use combine::{all_of, any_of, at_least};
pub use error::{RequirementError, RequirementErrorKind};
pub use explain::Explanation;
pub use found::UnmetPart;
pub use granted::{group, permission, role, scope};
pub use identity::{actor, any_authenticated, client, issued_by, owner, subject};
pub use kind::token_kind;
pub use login::{acr, amr, authenticated_within};
pub use possession::proof_of_possession;
pub use rule::Requirement;
pub use shadow::ShadowStats;
pub use tenant::{tenant_in_header, tenant_in_host, tenant_in_path};
pub use transaction::{in_transaction, transaction};
