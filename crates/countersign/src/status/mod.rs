//! Token status lists (feature `status-list`): the revocation of a token is one bit in a list that its issuer publishes
//! (draft-ietf-oauth-status-list-21).
//!
//! [`StatusLists`] is a revocation check for the layer. It fetches the list that a token names, if the issuer's configured
//! [locations](StatusListIssuer::location) permit that address, checks it with the issuer's keys, and fetches it again before it
//! is too old.

mod entry;
mod fetch_list;
mod issuer;
mod lists;
mod of_policy;
mod party;
mod room;
mod state;
mod stats;

pub use countersign_core::status::{
    ListedStatus, MAX_STATUS_LIST_BYTES, MAX_STATUS_URI_BYTES, StatusList, StatusReference,
};
pub use issuer::StatusListIssuer;
pub use lists::StatusLists;
pub(crate) use of_policy::ListsOfPolicy;
pub use stats::{IssuerStatusLists, StatusListFailure, StatusListStats};
