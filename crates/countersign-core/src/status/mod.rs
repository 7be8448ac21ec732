//! Token status lists (feature `status-list`): one bit or a few for each token, published in a signed list
//! (draft-ietf-oauth-status-list-21).
//!
//! A token names its place in a list with the claim `status.status_list` ([`StatusReference`]). The list is a token of its own,
//! of type `statuslist+jwt`, which has the values of up to millions of tokens as one compressed array ([`StatusList`]).

pub(crate) mod claim;
mod inflate;
mod list;
#[cfg(test)]
mod tests;
#[cfg(feature = "sign")]
mod write;

pub(crate) use claim::StatusClaim;
pub use claim::{MAX_STATUS_URI_BYTES, StatusReference};
pub use list::{ListedStatus, MAX_STATUS_LIST_BYTES, StatusList};
#[cfg(feature = "sign")]
pub use write::StatusListDraft;

/// The `typ` of a signed list. No verifier of access tokens accepts it.
pub(crate) const STATUS_LIST_TYPE: &str = "statuslist+jwt";
