//! Status lists (draft-ietf-oauth-status-list-21): an index for each access token, and the lists that services fetch.

mod indices;
mod published;
mod settings;
mod statuses;

pub(crate) use indices::StatusIndex;
pub use settings::StatusListSettings;
pub(crate) use statuses::Statuses;
